"""The command that runs once before a release moves any traffic: a migration, say."""

from __future__ import annotations

import time

from du_infra.control.release.desk import Desk
from du_infra.control.release.log import Log
from du_infra.control.release.team import Team
from du_infra.control.release.words import listener
from du_infra.errors import Busy, DuError, Unreachable
from du_infra.health.state import NodeReport
from du_infra.progress import Event
from du_infra.release.aim import Aim
from du_infra.release.driver import Cut
from du_infra.release.plan import entry_of
from du_infra.release.state import Json, Rollout

_DONE = "before_done"
_NODE = "before_on"
_STOPPED = "before_stopped"


def run_before(desk: Desk, aim: Aim, log: Log, first: str) -> None:
    """Run what each rollout has to run first and has not run yet, on node ``first`` or where it was begun earlier.

    Leaves it alone, without an error, when somebody asks for the release to be aborted: :func:`stop_before` is next.
    Raises EngineFailed with the command's last words, Unreachable when the node stays silent or is not there any more.
    """
    for rollout in list(log.rollouts):
        if not rollout.options.get("before") or rollout.options.get(_DONE):
            continue
        node = str(rollout.options.get(_NODE) or first)
        if not log.has(node):
            what = "the node where the command before the release was begun is gone, and how far it came is not known"
            raise Unreachable(what, where=node, todo="see what the command did, abort the release, and start it again")
        log.option(rollout.id, **{_NODE: node})
        with desk.part("before", f"{_command(rollout)} on {node}") as at:
            if not _unless_aborted(desk, log, node, order_of(rollout, aim), at):
                return
        log.option(rollout.id, **{_DONE: True})


def stop_before(desk: Desk, aim: Aim, log: Log) -> None:
    """Stop every command that was begun and is not known to have ended; it does not begin on a node later either.

    A node that stays silent, or cannot do it, is left alone with a warning.
    """
    for rollout in list(log.rollouts):
        node = str(rollout.options.get(_NODE) or "")
        if not log.has(node) or rollout.options.get(_DONE) or rollout.options.get(_STOPPED):
            continue
        with desk.part("before", f"stop {_command(rollout)} on {node}") as at:
            _stop(desk, node, order_of(rollout, aim), at)
        log.option(rollout.id, **{_STOPPED: True})


def order_of(rollout: Rollout, aim: Aim) -> Json:
    """What ``du-node before`` reads. The attempt is this rollout's own, however often it is asked for."""
    return {
        "attempt": f"{rollout.id}-{rollout.started:.3f}",
        "service": entry_of(aim.targets[rollout.service]),
        "command": list(rollout.options["before"]),
        "timeout": rollout.options["before_timeout"],
    }


def _command(rollout: Rollout) -> str:
    return " ".join(rollout.options["before"])


def _unless_aborted(desk: Desk, log: Log, node: str, order: Json, at: str) -> bool:
    """Run it to its end; false as soon as somebody asks for an abort, though it still runs."""
    team = Team(lambda _: _run(desk, node, order, at), [NodeReport(node, "")])
    ended = team.wait(lambda: bool(log.request()), desk.pace.request)
    for error in team.errors.values() if ended else ():
        raise error
    return ended


def _run(desk: Desk, node: str, order: Json, at: str) -> None:
    """Through cut connections: the same order again waits for the command that runs, or tells how it ended."""
    silent_since = time.monotonic()
    while True:
        try:
            return desk.nodes.before(node, order, listener(desk.report, at, node))
        except Cut:
            (report,) = desk.nodes.look([node])
            if report.reachable:
                silent_since = time.monotonic()
            elif time.monotonic() - silent_since > desk.pace.lost:
                raise
            time.sleep(desk.pace.look)


def _stop(desk: Desk, node: str, order: Json, at: str) -> None:
    deadline = time.monotonic() + desk.pace.lost
    while True:
        try:
            return desk.nodes.stop_before(node, order)
        except DuError as trouble:
            if not isinstance(trouble, Cut | Busy) or time.monotonic() > deadline:
                text = f"the command could not be stopped and may still run there: {trouble.what}"
                return desk.report(Event("warning", at, text, node=node))
            time.sleep(desk.pace.look)
