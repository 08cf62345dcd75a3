"""One node takes no new requests, takes them again, or stops its services. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.observe import observe_node
from du_infra.control.release.words import failure_of, last_error, line_of, listener
from du_infra.engines import ssh
from du_infra.errors import DuError, Unreachable
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter
from du_infra.release.aim import Aim

STAGE = "leave"

_MARGIN_SECONDS = 90.0
_UNDRAIN_SECONDS = 60.0
_NEVER_SECONDS = 3600.0
_TRIES = 3
_FRONT = "keepalived.service"


def patience(context: RegionContext) -> float:
    """How many seconds connections may take to end: as long as the most patient of the region's services says.

    A service that never cuts connections waits an hour: a node cannot be waited for without end.
    """
    waits = [service.release.cut_after.seconds for service in context.services.values()]
    return max((_NEVER_SECONDS if seconds is None else seconds for seconds in waits), default=0.0)


def drain(context: RegionContext, node: Node, report: Reporter, cut_after: float) -> int:
    """Have the node take no new requests, and wait for those it has; how many connections were cut.

    A connection to the node that breaks is made again: what runs there goes on. Raises Unreachable when the node
    does not answer, and what du-node says when it refuses.
    """
    argv = ["du-node", "drain", "--cut-after", f"{cut_after:g}"]
    tries = 1
    while True:
        try:
            return int(_ask(context, node, argv, report, cut_after + _MARGIN_SECONDS).get("cut") or 0)
        except Unreachable:
            if tries == _TRIES or not observe_node(context, node).answers:
                raise
            tries += 1


def drain_if_there(context: RegionContext, node: Node, report: Reporter, cut_after: float) -> None:
    """``drain``; a node that does not answer any more needs none, and is told of."""
    try:
        cut = drain(context, node, report, cut_after)
    except Unreachable as error:
        report(Event("warning", STAGE, f"is not drained: {error.what}", node=node.name))
        return
    if cut:
        report(Event("warning", STAGE, f"{cut} connection(s) were cut after {cut_after:g} s", node=node.name))


def stand_back(context: RegionContext, node: Node, report: Reporter) -> None:
    """Have a drained node never take the region's address again, until ``undrain``.

    The others are about to forget it: it hears nothing of them then, and would think itself alone.
    """
    try:
        ssh.run(context.target(node), ["systemctl", "stop", _FRONT])
    except Unreachable as error:
        report(Event("warning", STAGE, f"may hold on to the region's address: {error.what}", node=node.name))


def undrain(context: RegionContext, node: Node, report: Reporter) -> None:
    """Have the node take requests again. Raises Unreachable, and what du-node says when it fails."""
    ssh.run(context.target(node), ["systemctl", "start", _FRONT])
    _ask(context, node, ["du-node", "undrain"], report, _UNDRAIN_SECONDS)


def stop_services(context: RegionContext, node: Node, report: Reporter) -> None:
    """Have the node end what it runs, in order; a node that cannot is told of, and no error: it is on its way out."""
    told = observe_node(context, node)
    wanted = Aim(context.fleet.fleet, context.name, {}, drop=frozenset(str(row["name"]) for row in told.services))
    order = json.dumps(wanted.wanted(told, "forward"))
    graces = sum(service.stop_grace.seconds for service in context.services.values())
    try:
        _ask(context, node, ["du-node", "apply"], report, graces + _MARGIN_SECONDS, order)
    except DuError as error:
        report(Event("warning", STAGE, f"its services were not stopped in order: {error.what}", node=node.name))


def _ask(
    context: RegionContext, node: Node, argv: list[str], report: Reporter, seconds: float, stdin: str = ""
) -> Mapping[str, Any]:
    """Run a verb of du-node and pass its progress on; its last line. Raises the error that it told."""
    lines: list[Mapping[str, Any]] = [{}]
    listen = listener(report, STAGE, node.name)

    def hear(text: str) -> None:
        lines.append(line_of(text))
        listen(lines[-1])

    done = ssh.stream(context.target(node), argv, stdin, hear, timeout=seconds)
    if done.rc != 0:
        raise failure_of(node.name, last_error(lines), done)
    return lines[-1]
