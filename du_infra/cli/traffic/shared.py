"""What the verbs that change the entrance have in common: show the plan, ask, do it, say what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import confirm, echo_json
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.control.traffic.orders import TrafficResult
    from du_infra.entrance import Traffic
    from du_infra.traffic.order import TrafficOrder


def ordered(traffic: Traffic, order: TrafficOrder | None, question: str, *, yes: bool, output: str) -> None:
    """Plan, confirm, carry out."""
    from du_infra.cli.traffic_view import show_plan

    with progress_view() as report:
        plan = traffic.plan(order, report=report)
    if plan.changes:
        show_plan(plan, err=True)
        confirm(question, yes)
    with progress_view() as report:
        result = traffic.carry_out(order, report=report)
    show_result(result, output)


def show_result(result: TrafficResult, output: str) -> None:
    """What was done, and what is still to be done and why not yet."""
    if output == "json":
        echo_json(result.to_json())
        return
    for words in result.actions:
        click.echo(f"done       {words}")
    for words in result.waits:
        click.echo(f"waits      {words}")
    if not result.actions:
        click.echo("DNS is as it should be" if not result.waits else "nothing was changed now")
    elif result.waits:
        click.echo("`du-infra control run` goes on by itself; `du-infra traffic apply` makes one more pass")
