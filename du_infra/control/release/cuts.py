"""A cut connection stops nothing on a node: connect again, see how the apply ended, and ask again if it never began."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from du_infra.errors import NotReady, Unreachable
from du_infra.health.state import NodeReport
from du_infra.release.driver import Cut, Listener, Nodes, Told
from du_infra.release.options import patience
from du_infra.release.state import Json

_MARGIN_SECONDS = 300.0


@dataclass(frozen=True)
class Pace:
    """How long to wait for what, in seconds: ``lost`` for a silent node, ``look`` between two looks at it.

    ``doubt`` is how long a bad look must stay bad, ``gateway`` how long a node's own gateway may take to show a
    release that went live, ``request`` the time between two looks for a request to abort.
    """

    lost: float = 60.0
    look: float = 0.5
    doubt: float = 5.0
    gateway: float = 20.0
    request: float = 1.0


def apply_through_cuts(
    nodes: Nodes, wanted: Json, listen: Listener, pace: Pace, *, now: bool, left: Callable[[], bool]
) -> Told:
    """``nodes.apply``, however often the connection is cut meanwhile; ``wanted`` names the node.

    Raises Unreachable when the node stays silent for long, or when the connection is cut and ``left`` says that
    nobody waits for this any more; NotReady when it works without an end; and what the apply itself raises.
    """
    node = str(wanted["node"])
    deadline = time.monotonic() + time_for(wanted)
    heard: list[Mapping[str, Any]] = []

    def hear(line: Mapping[str, Any]) -> None:
        heard.append(line)
        listen(line)

    while True:
        try:
            return nodes.apply(node, wanted, hear, now=now)
        except Cut as cut:
            if left():
                raise
            listen({"kind": "warning", "text": f"{cut.what}; du-node goes on by itself; connecting again"})
        told = _how_it_ended(nodes, wanted, pace, deadline, begun=bool(heard))
        if told is not None:
            return told
        if left() or time.monotonic() > deadline:
            raise _endless(wanted)


def time_for(wanted: Mapping[str, Any]) -> float:
    """Seconds that an apply may take: what its services may need, pulling and draining included."""
    return _MARGIN_SECONDS + sum(patience(entry, entry["rollout"]) for entry in wanted["services"])


def _how_it_ended(nodes: Nodes, wanted: Json, pace: Pace, deadline: float, *, begun: bool) -> Told | None:
    """What came of an apply whose connection was cut; None when it has to be asked for again."""
    while True:
        report = _wait_for_an_answer(nodes, str(wanted["node"]), pace)
        if report.busy.get("verb") != "apply":
            return _told(report, wanted, begun=begun)
        if time.monotonic() > deadline:
            raise _endless(wanted)
        time.sleep(pace.look)


def _told(report: NodeReport, wanted: Mapping[str, Any], *, begun: bool) -> Told | None:
    """A bad end counts only if the apply had begun: else it may be that of an earlier one for the same."""
    result = report.result
    if result.get("config") != wanted["config"] or not result.get("ended"):
        return None
    failed = result.get("failed") or {}
    if failed and not begun:
        return None
    return Told(failed, tuple(result.get("held") or ()), result.get("reports") or {})


def _wait_for_an_answer(nodes: Nodes, node: str, pace: Pace) -> NodeReport:
    deadline = time.monotonic() + pace.lost
    while True:
        (report,) = nodes.look([node])
        if report.answers:
            return report
        if time.monotonic() > deadline:
            what = f"it has not answered for {pace.lost:.0f} s: {report.why or 'SSH does not get through'}"
            raise Unreachable(what, where=f"{node} ({report.address})", todo="is the node up and on this network?")
        time.sleep(pace.look)


def _endless(wanted: Mapping[str, Any]) -> NotReady:
    what = f"du-node has not come to an end after {time_for(wanted):.0f} s"
    return NotReady(what, where=str(wanted["node"]), todo="see `du-node status` on the node")
