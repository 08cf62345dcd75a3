"""``du-infra region restore NAME``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import confirm, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view
from du_infra.cli.up_view import show_up

if TYPE_CHECKING:
    from du_infra.control.cluster.restore import Restoring


@click.command("restore")
@click.argument("name")
@click.option("--from-backup", is_flag=True, help="Go back to the backup even where a server still has the data.")
@fleet_option
@output_option
@yes_option
def command(name: str, from_backup: bool, fleet_file: Path, output: str, yes: bool) -> None:
    """Bring the cluster of region NAME back, which lost its server, or so many that etcd has no majority. Asks first.

    A server of etcd's that is left goes on alone, and new ones join it. Where none is left, and on sqlite, a new node
    becomes the server from the newest backup: what the cluster was told since is gone. Authorities stay the same, and
    pods on other nodes run on. After a kill the same command goes on.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    plan = region.plan_restore(from_backup=from_backup)
    said, question = _words(plan)
    click.echo(said, err=True)
    gone = f" {', '.join(plan.destroyed)} is turned off and destroyed." if plan.destroyed else ""
    confirm(f"{question}{gone}", yes)
    with progress_view() as report:
        result = region.restore(report=report, from_backup=from_backup)
    show_up(result, output)


def _words(plan: Restoring) -> tuple[str, str]:
    """What there is to go on with, and the question."""
    if plan.survivor or plan.backup is None:
        lost = ", ".join(plan.lost)
        told = f"{plan.survivor} has the cluster's data; lost, and with them etcd's majority: {lost}"
        return told, f"Go on with {plan.survivor} alone, and lose what the cluster was told last if only they had it?"
    hours = (time.time() - plan.backup.made) / 3600
    told = f"{plan.backup.name}: {hours:.1f} h old, K3s {plan.backup.version}"
    return told, "Go back to it, and lose what the cluster was told since?"
