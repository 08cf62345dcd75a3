"""What ``region reboot`` and ``region upgrade`` share: the plan, the question, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import confirm, echo_json
from du_infra.cli.plan_view import show_plan

if TYPE_CHECKING:
    from du_infra.control.region_plan import RegionPlan
    from du_infra.control.rounds import RoundResult


def ask(plan: RegionPlan, verb: str, alone: bool, yes: bool) -> None:
    """Show the plan, and ask; ``verb`` as the question begins, ``alone``: the region has no other node."""
    show_plan(plan, err=True)
    nodes = [action.target for action in plan.actions]
    cost = "Nobody answers meanwhile" if alone else "The others take the requests of the one whose turn it is"
    confirm(f"{verb} {', '.join(nodes)}{' in this order' if len(nodes) > 1 else ''}? {cost}.", yes)


def show_round(result: RoundResult, output: str) -> None:
    """Print how a round ended."""
    if output == "json":
        echo_json(result.to_json())
        return
    for turn in result.nodes:
        cut = f"; {turn.cut} connection(s) were cut" if turn.cut else ""
        click.echo(f"{turn.node}: {turn.done}{cut}")
    before = f"; {', '.join(result.before)} before" if result.before else ""
    click.secho(f"Region {result.region}: every node has had its turn{before}", fg="green")
