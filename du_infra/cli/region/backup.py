"""``du-infra region backup NAME``."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.control.cluster.vault import Kept


@click.command("backup")
@click.argument("name")
@click.option("--list", "listed", is_flag=True, help="Make none; show those that are kept, the newest first.")
@fleet_option
@output_option
def command(name: str, listed: bool, fleet_file: Path, output: str) -> None:
    """Copy what the cluster of region NAME keeps onto this machine, and read the copy back.

    K3s runs on meanwhile. The copy has the cluster's keys in it: it is for you alone, beside fleet.yaml in .du.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    if listed:
        _show(region.backups(), output)
        return
    with progress_view() as report:
        result = region.backup(report=report)
    if output == "json":
        echo_json(asdict(result))
        return
    for gone in result.removed:
        click.echo(f"{gone} is removed: newer ones are kept")
    click.secho(f"{result.file}: {_size(result.backup)}, read back", fg="green")


def _show(backups: Sequence[Kept], output: str) -> None:
    if output == "json":
        echo_json([asdict(one) for one in backups])
        return
    for one in backups:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.made))
        click.echo(f"{one.name}  {when}  {_size(one)}  {'read back' if one.verified else 'not read back yet'}")
    if not backups:
        click.echo("There are none.")


def _size(one: Kept) -> str:
    return f"{one.size / 1e6:.1f} MB"
