"""The command that runs once before a release moves any traffic: a migration, say."""

from __future__ import annotations

import time

from du_infra.control.release.desk import Desk
from du_infra.control.release.log import Log
from du_infra.control.release.words import listener
from du_infra.release.aim import Aim
from du_infra.release.driver import Cut
from du_infra.release.plan import entry_of
from du_infra.release.state import Json, Rollout

_DONE = "before_done"
_NODE = "before_on"


def run_before(desk: Desk, aim: Aim, log: Log, first: str) -> None:
    """Run what each rollout has to run first and has not run yet, on node ``first`` or where it was begun earlier.

    Raises EngineFailed with the command's last words, Unreachable when the node stays silent.
    """
    for rollout in list(log.rollouts):
        if not rollout.options.get("before") or rollout.options.get(_DONE):
            continue
        node = str(rollout.options.get(_NODE) or first)
        log.option(rollout.id, **{_NODE: node})
        with desk.part("before", f"{' '.join(rollout.options['before'])} on {node}") as at:
            _run(desk, node, order_of(rollout, aim), at)
        log.option(rollout.id, **{_DONE: True})


def order_of(rollout: Rollout, aim: Aim) -> Json:
    """What ``du-node before`` reads. The attempt is this rollout's own, however often it is asked for."""
    return {
        "attempt": f"{rollout.id}-{rollout.started:.3f}",
        "service": entry_of(aim.targets[rollout.service]),
        "command": list(rollout.options["before"]),
        "timeout": rollout.options["before_timeout"],
    }


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
