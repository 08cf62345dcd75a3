"""``du-infra autoscale NAME --once``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.control.autoscale import Autoscaled

_UNITS = {"cpu": " %", "memory": " %", "pressure": " %", "rps": " a second and node", "p95": " ms"}


@click.command("autoscale")
@click.argument("name")
@click.option("--once", is_flag=True, required=True, help="One pass; `du-infra control run` makes one after another.")
@click.option("--apply", is_flag=True, help="Do it, too. Nobody is asked.")
@fleet_option
@output_option
def command(name: str, once: bool, apply: bool, fleet_file: Path, output: str) -> None:
    """Measure region NAME and say how many nodes it should have by fleet.yaml's `autoscale`, and why.

    Measures are remembered: it takes some passes, one a minute or more, until there is enough to decide by.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    if apply:
        with progress_view() as report:
            found = region.autoscale(report=report)
    else:
        found = region.plan_autoscale()
    if output == "json":
        echo_json(found.to_json())
    else:
        _show(found, apply)


def _show(found: Autoscaled, apply: bool) -> None:
    for metric, target in found.targets.items():
        value = getattr(found.sample, metric)
        told = "not known" if value is None else f"{value:.1f}{_UNITS[metric]}"
        click.echo(f"{metric:<9} {told}  (target {target:g})")
    click.echo(f"nodes {found.decision}" if found.copies else str(found.decision))
    for one in found.copies:
        click.echo(f"copies of {one}")
    if found.changes and not apply:
        click.echo("Nothing was done: add --apply for that.", err=True)
