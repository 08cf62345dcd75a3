"""``du-infra region down NAME``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from du_infra.cli.options import confirm, echo_json, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view


@click.command("down")
@click.argument("name")
@fleet_option
@output_option
@yes_option
def command(name: str, fleet_file: Path, output: str, yes: bool) -> None:
    """Destroy the machines of region NAME and forget it. Asks first."""
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    nodes = region.doomed()
    if nodes:
        confirm(f"Destroy {', '.join(nodes)} and everything on them?", yes)
    with progress_view() as report:
        result = region.down(report=report)
    if output == "json":
        echo_json(asdict(result))
    else:
        click.echo(
            f"Region {name} is gone ({len(result.nodes)} node(s) destroyed)."
            if result.nodes
            else f"Region {name} is not up; nothing to destroy."
        )
