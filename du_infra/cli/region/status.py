"""``du-infra region status NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.errors import NotReady


@click.command("status")
@click.argument("name")
@fleet_option
@output_option
def command(name: str, fleet_file: Path, output: str) -> None:
    """Nodes, runtime, gateway, slots, releases, readiness, memory and disk of region NAME.

    The exit code is 0 when the region is ready and 6 when it is not.
    """
    from du_infra.fleet import load

    status = load(fleet_file).region(name).status()
    if output == "json":
        echo_json(status.to_json())
    else:
        from du_infra.cli.status_view import show_status

        show_status(status)
    if not status.ready:
        raise SystemExit(NotReady.exit_code)
