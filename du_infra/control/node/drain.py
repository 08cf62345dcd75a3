"""``node drain`` and ``node undrain``: a node takes no requests until somebody says otherwise."""

from __future__ import annotations

from du_infra.control.context import RegionContext
from du_infra.control.leave import drain_node, mark, undrain_node
from du_infra.control.lock import locked
from du_infra.control.node.desk import NodeResult, pool_of, refuse_going, result
from du_infra.progress import Reporter, stage


def drain(
    context: RegionContext, node: str, report: Reporter, *, cut_after: float | None = None, force: bool = False
) -> NodeResult:
    """Have a node take no new requests, and wait for those it has; it stays so through reboots and ``region up``.

    ``cut_after``: how many seconds connections may take to end; None for what the services' settings say. Raises
    Refused when no other node is ready to take its requests (unless ``force``), Unreachable when it does not answer.
    """
    with locked(context, report), stage(report, "drain", node):
        record = pool_of(context, node)
        if record.named(node).state == "returning":  # a reboot was cut off; from now on it is drained by hand
            record = mark(context, record, [node], "")
        cut = drain_node(context, record, node, report, cut_after, last=force)
        context.store.event(context.name, "drain", node)
        return result(context, node, "drained", record, cut)


def undrain(context: RegionContext, node: str, report: Reporter) -> NodeResult:
    """Have a node take requests again. Raises Refused for one that leaves, Unreachable when it does not answer."""
    with locked(context, report), stage(report, "undrain", node):
        record = pool_of(context, node)
        refuse_going(context, record, node)
        undrain_node(context, record, node, report)
        record = mark(context, record, [node], "")
        context.store.event(context.name, "undrain", node)
        return result(context, node, "takes requests", record)
