"""How a rollout ends: what history keeps of it, and what a person is told."""

from __future__ import annotations

from collections.abc import Sequence

from du_infra.control.release.desk import Ending
from du_infra.control.release.log import Log
from du_infra.errors import DuError, NotReady, Refused, Unreachable
from du_infra.health.state import NodeReport
from du_infra.release.aim import Aim
from du_infra.release.rollout import Back, Done, Held, Stop, Stuck
from du_infra.release.state import Rollout, State


def finish(
    step: Done | Held | Back | Stop | Stuck,
    aim: Aim,
    log: Log,
    reports: Sequence[NodeReport],
    failure: DuError | None,
) -> Ending:
    """Write the end down and say it; ``reports`` is the last look, ``failure`` what went wrong first, if anything."""
    for report in reports:
        if report.reachable:
            log.serves(report.name, serving(report), {})
    if isinstance(step, Held):
        log.note(state="held")
        return Ending(tuple(log.rollouts))
    if isinstance(step, Done):
        if step.missing:
            log.note(detail=f"{', '.join(step.missing)} did not answer: `control run` or `region up` brings it along")
        log.end(lambda _: "done")
        return Ending(tuple(log.rollouts), missing=step.missing)
    if isinstance(step, Stop):
        return _stopped(step, aim, log, reports, failure)
    return _went_back(step, aim, log, reports, failure)


def serving(report: NodeReport) -> dict[str, str]:
    """Which release of each service a node serves."""
    return {str(row["name"]): str(row.get("release") or "") for row in report.services}


def _stopped(step: Stop, aim: Aim, log: Log, reports: Sequence[NodeReport], failure: DuError | None) -> Ending:
    """It never began, or there was nothing to go back to; what did go live on every node is done all the same."""
    error = failure or NotReady(step.why, where=f"region {aim.region}", todo="see `du-infra region status`")
    log.blame(error)

    def state(row: Rollout) -> State:
        everywhere = all(report.reachable and _serves(report, row.service, row.release) for report in reports)
        return "done" if everywhere and reports and row.previous != row.release else "failed"

    log.end(state)
    if not any(log.asked(report.name) for report in reports):
        error.done = "nothing: no traffic was moved, and what served before serves on"
    return Ending(tuple(log.rollouts), error)


def _went_back(
    step: Back | Stuck, aim: Aim, log: Log, reports: Sequence[NodeReport], failure: DuError | None
) -> Ending:
    aborted = bool(log.request())
    error = failure or _remembered(log, aborted)
    where = _where_each_is(aim, reports)
    if isinstance(step, Back):
        error.done = f"went back; {where}"
        if step.left:
            error.done += f"; nobody waits for {', '.join(step.left)} any more"
            log.remark(f"nobody waited for {', '.join(step.left)}")
        log.end(lambda _: "aborted" if aborted else "rolled-back")
        return Ending(tuple(log.rollouts), error, missing=step.left)
    names = ", ".join(step.nodes)
    log.note(detail=f"going back is not finished: {names}")
    error.done = f"going back is not finished on {names}; {where}"
    error.todo = _way_out(step.nodes)
    return Ending(tuple(log.rollouts), error, missing=step.nodes)


def _way_out(nodes: Sequence[str]) -> str:
    """What a person types: nobody has to wait for a machine that never comes back."""
    replacing = " and ".join(f"`du-infra node replace {name}`" for name in nodes)
    return (
        f"for good: {replacing} puts another in its place and ends the release; `du-infra control run` does both by "
        "itself. When it answers again: `du-infra release abort`"
    )


def _remembered(log: Log, aborted: bool) -> DuError:
    """The error of a rollout that was turned back by a run before this one."""
    why = next((row.why for row in log.rollouts if row.why), "")
    kind = Refused if aborted else NotReady if why else Unreachable
    return kind(why or "the release went back", detail=next((row.detail for row in log.rollouts), ""))


def _where_each_is(aim: Aim, reports: Sequence[NodeReport]) -> str:
    """Which node serves which release, in words; equal nodes together."""
    groups: dict[str, list[str]] = {}
    for report in reports:
        groups.setdefault(_words(aim, report), []).append(report.name)
    return "; ".join(f"{', '.join(names)} {words}" for words, names in groups.items())


def _words(aim: Aim, report: NodeReport) -> str:
    if not report.reachable:
        return "does not answer, and nobody knows what it serves"
    told = serving(report)
    mine = [told.get(name) or f"no release of {name}" for name in aim.targets]
    return f"serves {', '.join(mine)}"


def _serves(report: NodeReport, service: str, release: str) -> bool:
    return any(row["name"] == service and row.get("release") == release and row.get("ready") for row in report.services)
