"""``du-infra region doctor NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.errors import NotReady

if TYPE_CHECKING:
    from du_infra.control.examine import Diagnosis


@click.command("doctor")
@click.argument("name")
@fleet_option
@output_option
def command(name: str, fleet_file: Path, output: str) -> None:
    """Look for what is amiss in region NAME, or soon will be, though it serves: disks, clocks, and with K3s
    certificates, versions, backups, and what is left of nodes that are no more. Changes nothing.

    The exit code is 6 where something is bad, and 0 where there are warnings at most.
    """
    from du_infra.fleet import load

    found = load(fleet_file).region(name).doctor()
    if output == "json":
        echo_json(found.to_json())
    else:
        _show(found)
    if not found.sound:
        raise SystemExit(NotReady.exit_code)


def _show(found: Diagnosis) -> None:
    from rich.table import Table
    from rich.text import Text

    from du_infra.cli.console import console

    if not found.findings:
        click.secho(f"Region {found.region}: nothing is amiss on {', '.join(found.nodes)}", fg="green")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "WHERE", "WHAT", "TO DO"):
        table.add_column(column, overflow="fold")
    for one in found.findings:
        color = "red" if one.level == "bad" else "yellow"
        table.add_row(Text(one.level, style=color), Text(one.where), Text(one.what), Text(one.todo))
    console().print(table)
