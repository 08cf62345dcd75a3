"""``du-infra region restore NAME``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from du_infra.cli.options import confirm, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view
from du_infra.cli.up_view import show_up


@click.command("restore")
@click.argument("name")
@fleet_option
@output_option
@yes_option
def command(name: str, fleet_file: Path, output: str, yes: bool) -> None:
    """Bring the cluster of region NAME, which lost its server, back from its newest backup. Asks first.

    A new node becomes the server, with the same authorities; the other nodes' pods run on. What the cluster was told
    since the backup is gone. After a kill the same command goes on.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    plan = region.plan_restore()
    hours = (time.time() - plan.backup.made) / 3600
    click.echo(f"{plan.backup.name}: {hours:.1f} h old, K3s {plan.backup.version}", err=True)
    gone = f" {', '.join(plan.destroyed)} is turned off and destroyed." if plan.destroyed else ""
    confirm(f"Go back to it, and lose what the cluster was told since?{gone}", yes)
    with progress_view() as report:
        result = region.restore(report=report)
    show_up(result, output)
