"""The world's entrance as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table
from rich.text import Text

from du_infra.cli.console import console
from du_infra.release.state import moment

if TYPE_CHECKING:
    from du_infra.control.traffic.orders import TrafficPlan
    from du_infra.control.traffic.status import Explained, Explanation, RegionLine, TrafficStatus

_WORDS = {"well": "[green]well[/]", "dead": "[red]dead[/]", "": "[yellow]nothing[/]"}


def show_status(status: TrafficStatus) -> None:
    """Print two tables, regions and servers, and below them what waits."""
    out = console()
    frozen = "  [yellow]frozen[/]" if status.frozen else ""
    out.print(f"[bold]{status.name}[/]  {_word(status.ready)}  {status.backend} · TTL {status.ttl} s{frozen}")
    out.print(_regions(status))
    if status.servers:
        out.print(_servers(status))
    course = status.course
    if course.number:
        out.print(Text(f"wanted since {moment(course.at)} by {course.actor}: {course.why}", style="dim"))
    if status.at_work:
        out.print(Text(f"{status.at_work} changes it just now", style="dim"))
    for words in status.todo:
        out.print(Text.assemble(("~", "yellow"), f" to be done: {words}"))
    for words in status.waits:
        out.print(Text.assemble(("!", "yellow"), f" {words}"))


def show_plan(plan: TrafficPlan, *, err: bool = False) -> None:
    """Print one line for each action and for what waits."""
    if plan.why:
        shares = ", ".join(f"{name} {weight}" for name, weight in plan.course.goal(plan.course.weights).items())
        click.echo(f"{'wanted':<10} {shares}  ({plan.why})", err=err)
    for action in plan.plan.actions:
        click.echo(f"{action.kind:<10} {action.region or plan.plan.memory.record.name}  ({action.why})", err=err)
    for note in plan.plan.notes:
        click.echo(f"{'waits':<10} {note}", err=err)
    if not plan.changes and not plan.plan.notes:
        click.echo("nothing to do", err=err)


def show_explained(explained: Explained) -> None:
    """Print each region's votes, what guards allow, and the last decisions."""
    out = console()
    for one in explained.regions:
        out.print(f"[bold]{one.region}[/]  {_state(one.state)}  ", Text(one.why))
        out.print(_votes(one))
        for words in one.guards:
            out.print(Text.assemble(("!", "yellow"), f" {words}"))
    for words in explained.guards:
        out.print(Text.assemble(("·", "dim"), f" {words}"))
    for decided in explained.decisions:
        out.print(Text(f"{moment(decided.time)}  {decided.actor}", style="dim"))
        for action in decided.actions:
            out.print(Text(f"  {action}"))


def _regions(status: TrafficStatus) -> Table:
    table = _table("REGION", "ADDRESS", "WEIGHT", "SHARE", "WANTED", "STATE", "BY WHOSE WORD")
    for one in status.regions:
        name = f"{one.name} (drained)" if one.drained else one.name
        state = _state(one.state) if one.sure else f"{_state(one.state)}, not sure"
        share = f"{100 * one.share:.3g} %" if one.given_out else "-"
        wanted = f"{100 * one.wanted:.3g} %" if one.wanted else _standby(one)
        table.add_row(name, one.address or "-", str(one.weight), share, wanted, state, Text(one.why))
    return table


def _standby(one: RegionLine) -> str:
    return "nothing" if one.drained else "standby"


def _servers(status: TrafficStatus) -> Table:
    table = _table("SERVER", "ANSWERS", "")
    for one in status.servers:
        table.add_row(one.server, "[green]as it should[/]" if one.ok else "[red]wrong[/]", Text("; ".join(one.words)))
    return table


def _votes(one: Explanation) -> Table:
    table = _table("OBSERVER", "SAYS", "AGO", "")
    for vote in one.votes:
        ago = "-" if vote.age_s is None else f"{vote.age_s:.1f} s"
        table.add_row(vote.observer, _WORDS[vote.word], ago, Text(vote.why))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _state(state: str) -> str:
    return f"[green]{state}[/]" if state == "up" else f"[red]{state}[/]"


def _word(ready: bool) -> str:
    return "[green]ready[/]" if ready else "[red]not ready[/]"
