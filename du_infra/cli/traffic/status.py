"""``du-infra traffic status``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view
from du_infra.errors import NotReady


@click.command("status")
@fleet_option
@output_option
def command(fleet_file: Path, output: str) -> None:
    """Regions with weight and share, up or down and by whose word, and what each authoritative server answers.

    The exit code is 0 when all that should be given out is, and 6 otherwise.
    """
    from du_infra.fleet import load

    with progress_view() as report:
        status = load(fleet_file).traffic.status(report=report)
    if output == "json":
        echo_json(status.to_json())
    else:
        from du_infra.cli.traffic_view import show_status

        show_status(status)
    if not status.ready:
        raise SystemExit(NotReady.exit_code)
