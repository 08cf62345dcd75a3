"""``du-infra region up NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import confirm, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view
from du_infra.cli.up_view import show_up


@click.command("up")
@click.argument("name")
@click.option("--reconfigure", is_flag=True, help="Run Ansible on every node, even where nothing asks for it.")
@fleet_option
@output_option
@yes_option
def command(name: str, reconfigure: bool, fleet_file: Path, output: str, yes: bool) -> None:
    """Bring region NAME to what fleet.yaml says. Run it again at any time: it goes on from what is there.

    Asks before nodes leave, because their volumes go with them.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    if leaving := region.leaving():
        confirm(f"Drain and destroy {', '.join(leaving)} and everything on them?", yes)
    with progress_view() as report:
        result = region.up(report=report, reconfigure=reconfigure, may_destroy=bool(leaving))
    show_up(result, output)
