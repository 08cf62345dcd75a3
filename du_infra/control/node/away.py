"""A node is taken out of service while something is done with it, and takes requests again once it serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias, TypeVar

from du_infra.control.context import RegionContext
from du_infra.control.copies import settle_if_it_can
from du_infra.control.leave import drain_node, mark, undrain_node
from du_infra.control.machines import views_of
from du_infra.control.node.boot import await_boot, present_boot
from du_infra.control.node.desk import NodeResult, refuse_going, result
from du_infra.control.observe import observe_node
from du_infra.errors import DuError, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node, NodeView
from du_infra.pool.turns import refuse_unless_others_serve
from du_infra.progress import Reporter, stage

_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.5

T = TypeVar("T")

Work: TypeAlias = Callable[[RegionContext, PoolRecord, Node, Reporter], str]
"""What is done with the node meanwhile; what it came to in a word or two ("rebooted")."""


@dataclass(frozen=True)
class Leave:
    """How a node is let go: ``cut_after`` as ``drain_node`` has it; ``force``: whatever the others do."""

    cut_after: float | None = None
    force: bool = False


def while_away(
    context: RegionContext, record: PoolRecord, node: str, report: Reporter, work: Work, leave: Leave
) -> NodeResult:
    """Drain a node, do ``work``, and have it take requests again; the caller holds the region's lock.

    Killed on the way, the same again or ``region up`` ends it. A node that was drained by hand stays drained, and
    nobody is drained where no other node could take its requests. When ``work`` fails and the node serves all the
    same, it takes requests again. Raises what ``work`` does, Refused when another node takes no requests (unless
    forced) or this one is on its way out, Unreachable when it does not answer.
    """
    refuse_going(context, record, node)
    target = record.named(node)
    if target.state == "returning":
        await_boot(context, target)  # whoever was killed may have rebooted it just before
    present_boot(context, target)
    if not leave.force:
        patiently(context, record, partial(refuse_unless_others_serve, node, record.nodes))
    views = views_of(context, record)
    if not (views[node].drained and target.state == ""):
        record = mark(context, record, [node], "returning")
    cut = 0
    if any(views[other.name].answers and views[other.name].ready for other in record.staying if other.name != node):
        with stage(report, "drain", node):
            cut = drain_node(context, record, node, report, leave.cut_after, last=leave.force)
    try:
        done = work(context, record, target, report)
    except DuError as error:
        if observe_node(context, target).ready:
            back(context, record, node, report)
            error.done = error.done or f"{node} takes requests, as before"
        raise
    record = back(context, record, node, report)
    settle_if_it_can(context, record, report)  # before the next one goes: its copies may have moved to that meanwhile
    return result(context, node, done, record, cut)


def patiently(context: RegionContext, record: PoolRecord, decide: Callable[[Mapping[str, NodeView]], T]) -> T:
    """What ``decide`` says of how the nodes are; as long as it raises Refused they are asked again, for some seconds.

    A node that has just come back, or is very busy, may take a moment before it takes requests.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return decide(views_of(context, record))
        except Refused:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_SECONDS)


def back(context: RegionContext, record: PoolRecord, node: str, report: Reporter) -> PoolRecord:
    """Have a node take requests again that was taken out of service by us; the pool as it is then."""
    if record.named(node).state != "returning":
        return record
    undrain_node(context, record, node, report)
    return mark(context, record, [node], "")
