"""Releases as a person reads them: the plan, how it ended, how things stand, the past."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from du_infra.cli.console import console
from du_infra.release.state import Rollout

if TYPE_CHECKING:
    from du_infra.control.release.past import NodeStanding, Standing
    from du_infra.control.release.result import ReleaseResult
    from du_infra.release.outline import ReleasePlan

_STYLES = {"done": "green", "held": "yellow", "running": "yellow", "cut off": "red"}


def show_plan(plan: ReleasePlan) -> None:
    """What would be done, on stderr: stdout is for the result."""
    rollout, options = plan.options["rollout"], plan.options
    verb = "Roll back" if plan.kind == "rollback" else "Release"
    click.echo(
        f"{verb} {plan.service} in region {plan.region}: {plan.previous or 'nothing'} → {plan.release}", err=True
    )
    for line in plan.changes:
        click.echo(f"  change   {line}", err=True)
    for at in sorted({node.batch for node in plan.nodes}):
        batch = [f"{node.node} ({node.serves or 'nothing'})" for node in plan.nodes if node.batch == at]
        click.echo(f"  batch {at}  {', '.join(batch)}", err=True)
    if options["before"]:
        click.echo(f"  before   {' '.join(options['before'])}  (once, at most {options['before_timeout']} s)", err=True)
    click.echo(f"  traffic  {_traffic(rollout)}", err=True)
    if rollout["observe"]:
        click.echo(f"  back     {_back(rollout)}", err=True)


def show_result(result: ReleaseResult, record: Mapping[str, Any] | None = None) -> None:
    """How it ended, one line for each node, and where the service answers."""
    row = result.rollout
    if row is None:
        release = f" {record['release']}" if record else ""
        click.secho(f"{result.service}{release} serves everywhere already; nothing to do.", fg="green")
        return
    words = {"held": "waits on its preview", "aborted": f"was aborted; {row.previous or 'nothing'} serves"}
    click.secho(f"{row.service} {row.release} {words.get(row.state, 'is live')} in region {row.region}", fg="green")
    for node, told in row.nodes.items():
        click.echo(f"  {node:<20} {told.get('serves') or '-':<20} {_numbers(told.get('report') or {})}".rstrip())
    if result.preview:
        click.echo(f"  curl {result.preview}")
        click.echo(f"  then `du-infra release promote {row.service}`, or `du-infra release abort {row.service}`")
    if row.detail and row.state == "done":
        click.echo(f"  {row.detail}")
    click.echo(f"  curl {result.url}")


def show_standings(standings: Sequence[Standing]) -> None:
    """Each service: its newest release, who is at work on it, every node."""
    out = console()
    for standing in standings:
        out.print(_headline(standing))
        if standing.nodes:
            out.print(_nodes(standing.nodes))


def show_history(rows: Sequence[Rollout], at_work: Collection[str]) -> None:
    """One entry each, the newest first; ``at_work`` are the services whose open release somebody works on."""
    out = console()
    for row in rows:
        state = _state(row, row.service in at_work)
        began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.started))
        what = f"{row.kind} {row.service} {row.previous or '(nothing)'} → {row.release}"
        took = f" in {row.ended - row.started:.1f} s" if row.ended else ""
        line = Text.assemble((f"#{row.id}", "bold"), f"  {began}  {what}  ", (state, _STYLES.get(state, "red")))
        out.print(line.append(f"{took}  by {row.actor}"))
        if row.why:
            out.print(Text(f"    {row.why}"))
    if not rows:
        click.echo("Nothing was released yet.")


def _headline(standing: Standing) -> Text:
    row = standing.rollout
    line = Text.assemble((standing.service, "bold"))
    if standing.over:
        line.append(f"  {standing.over}", style="yellow")
    if row is None:
        return line.append("  nothing was released yet")
    state = _state(row, standing.holder is not None)
    line.append(f"  {row.kind} of {row.release} by {row.actor}: ").append(state, style=_STYLES.get(state, "red"))
    if standing.holder:
        line.append(f", {standing.holder.who}, {time.time() - standing.holder.since:.0f} s")
    if row.why:
        line.append(f"\n  {row.why}")
    if row.open and row.detail:
        line.append(f"\n  {row.detail}")
    return line.append(f"\n  {_todo(row, state)}" if row.open else "")


def _todo(row: Rollout, state: str) -> str:
    goes = "back" if row.direction == "back" else "on"
    return {
        "held": f"`du-infra release promote {row.service}` goes on, `du-infra release abort {row.service}` goes back",
        "cut off": f"`du-infra release resume {row.service}` goes {goes}, `du-infra release abort` goes back",
    }.get(state, f"`du-infra release abort {row.service}` goes back")


def _nodes(nodes: Sequence[NodeStanding]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("  NODE", "SERVES", "READY", "BESIDE IT"):
        table.add_column(column, overflow="fold")
    for node in nodes:
        ready = Text("ready", style="green") if node.ready else Text("not ready", style="red")
        serves = (node.serves or "-") if node.answers else "?"
        table.add_row(f"  {node.node}", serves, ready, Text(_beside(node)))
    return table


def _beside(node: NodeStanding) -> str:
    parts = [f"{node.canary} has {node.share} % of the requests"] if node.canary else []
    parts += [f"{node.backup} as backup"] if node.backup else []
    parts += [f"{node.preview} on preview"] if node.preview else []
    parts += [f"{node.lingering} connection(s) open to the old copy"] if node.lingering else []
    parts += [node.why] if node.why else []
    return ", ".join(parts) or "-"


def _state(row: Rollout, at_work: bool) -> str:
    return "cut off" if row.cut_off(at_work) else row.state


def _traffic(rollout: Mapping[str, Any]) -> str:
    steps = [f"{share} %" for share in rollout["canary"]] + ["all"]
    each = "each " if rollout["canary"] else ""
    watched = f", {each}watched for {rollout['observe']:g} s" if rollout["observe"] else ", not watched"
    held = "first held on the preview port, then " if rollout["hold"] else ""
    return held + " → ".join(steps) + watched


def _back(rollout: Mapping[str, Any]) -> str:
    return (
        f"when 5xx are {rollout['max_errors']:g} % over the old copy's, p95 {rollout['max_latency']:g} times its own, "
        f"after more than {rollout['max_restarts']} restarts, or when it is not ready"
    )


def _numbers(report: Mapping[str, Any]) -> str:
    if not report.get("requests"):
        return "no request while it was watched" if "requests" in report else ""
    parts = [f"{report['requests']} requests", f"{report.get('error_percent') or 0:g} % errors"]
    if report.get("p95_ms") is not None:
        old = f" (before {report['old_p95_ms']:g})" if report.get("old_p95_ms") is not None else ""
        parts.append(f"p95 {report['p95_ms']:g} ms{old}")
    parts += [f"{report['cut']} connections cut"] if report.get("cut") else []
    return ", ".join(parts)
