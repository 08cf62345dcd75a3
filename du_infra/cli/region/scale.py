"""``du-infra region scale NAME NODES``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import confirm, fleet_option, output_option, yes_option
from du_infra.cli.plan_view import show_plan
from du_infra.cli.progress_view import progress_view
from du_infra.cli.up_view import show_up


@click.command("scale")
@click.argument("name")
@click.argument("nodes", type=int)
@fleet_option
@output_option
@yes_option
def command(name: str, nodes: int, fleet_file: Path, output: str, yes: bool) -> None:
    """Have region NAME consist of NODES nodes, until the pool in fleet.yaml changes. Shows the plan and asks.

    New nodes get the releases that serve now, and requests once they are ready. Nodes that leave are drained first.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    plan = region.plan_scale(nodes)
    if plan.actions:
        show_plan(plan, err=True)
        confirm(f"Scale region {name} to {nodes} node(s)?", yes)
    with progress_view() as report:
        result = region.scale(nodes, report=report)
    show_up(result, output)
