"""``node reboot``: a node is drained, rebooted, and takes requests again once it serves."""

from __future__ import annotations

import time
from collections.abc import Sequence

from du_infra.control.context import RegionContext
from du_infra.control.leave import drain_node, mark, undrain_node
from du_infra.control.lock import locked
from du_infra.control.node.desk import NodeResult, others_of, pool_of, refuse_going, result
from du_infra.control.observe import observe_node
from du_infra.engines import ssh
from du_infra.errors import DuError, NotReady, Refused, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter, stage

STAGE = "reboot"

_BACK_SECONDS = 180.0
_POLL_SECONDS = 0.3
# A container's kernel is its host's, and so is the kernel's boot id; when systemd began is its own everywhere.
_BOOT = ["systemctl", "show", "--property=UserspaceTimestampMonotonic", "--value"]


def reboot(
    context: RegionContext, node: str, report: Reporter, *, cut_after: float | None = None, force: bool = False
) -> NodeResult:
    """Reboot a node, without a request lost where there are others.

    Killed on the way, the same command or ``region up`` ends it. A node that was drained by hand stays drained. Raises
    Refused when another node is not ready (unless ``force``) or this one is on its way out, Unreachable when it does
    not answer, NotReady when it does not come back in time.
    """
    with locked(context, report):
        record = pool_of(context, node)
        refuse_going(context, record, node)
        target = record.named(node)
        seen = observe_node(context, target)
        others = others_of(context, record, node)
        _may_reboot(seen, others, force)
        by_hand = seen.draining and target.state == ""
        if not by_hand:
            record = mark(context, record, [node], "returning")
        cut = 0
        if any(other.answers and other.ready for other in others):
            with stage(report, "drain", node):
                cut = drain_node(context, record, node, report, cut_after, last=force)
        with stage(report, STAGE, node):
            _reboot(context, target, report)
            if record.named(node).state == "returning":
                undrain_node(context, record, node, report)
                record = mark(context, record, [node], "")
        context.store.event(context.name, "reboot", node)
        return result(context, node, "rebooted", record, cut)


def _may_reboot(seen: NodeReport, others: Sequence[NodeReport], force: bool) -> None:
    if not seen.answers:
        todo = f"`du-infra node replace {seen.name}`, or restart it where it was made, then `du-infra region up`"
        raise Unreachable(f"cannot be rebooted: {seen.why or 'does not answer'}", where=seen.name, todo=todo)
    bad = [other.name for other in others if not other.takes_requests]
    if bad and not force:
        todo = "see `du-infra region status`; reboot one node after the other"
        raise Refused("another node takes no requests now", where=", ".join(bad), todo=todo)


def _reboot(context: RegionContext, node: Node, report: Reporter) -> None:
    target = context.target(node)
    before = ssh.run(target, _BOOT).stdout
    try:
        ssh.run(target, ["systemctl", "reboot"], timeout=10)
    except Unreachable:
        report(Event("step", STAGE, "goes down", node=node.name))  # the connection ends with the machine
    ssh.close(target)
    deadline = time.monotonic() + _BACK_SECONDS
    while not _is_back(context, node, before):
        if time.monotonic() > deadline:
            todo = f"look at its console; then `du-infra region up {context.name}` goes on"
            raise NotReady(f"does not serve {_BACK_SECONDS:g} s after its reboot", where=node.name, todo=todo)
        time.sleep(_POLL_SECONDS)


def _is_back(context: RegionContext, node: Node, before: str) -> bool:
    """Whether the node has booted since, and serves what it should."""
    try:
        now = ssh.run(context.target(node), _BOOT, timeout=10)
    except DuError:
        return False
    if now.rc != 0 or now.stdout.strip() in ("", "0", before.strip()):
        return False
    return observe_node(context, node).ready
