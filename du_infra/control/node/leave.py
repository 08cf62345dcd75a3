"""``node leave``: a node leaves its region before somebody else's Terraform destroys its machine."""

from __future__ import annotations

from du_infra.control.cluster.servers import refuse_server
from du_infra.control.context import RegionContext
from du_infra.control.hooks import hooked
from du_infra.control.leave import STAGE, forget_nodes, mark, marked, refuse_last, take_out, undrain_node
from du_infra.control.lock import locked
from du_infra.control.machines import own_machines
from du_infra.control.node.desk import NodeResult, result
from du_infra.control.observe import observe_nodes
from du_infra.errors import DuError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.wish import check, mark_of
from du_infra.progress import Event, Reporter, stage


def leave_by_hook(context: RegionContext, node: str, report: Reporter) -> NodeResult:
    """:func:`leave` for Terraform: in its turn among the hooks, and logged."""
    with hooked(context, f"leave {node}", report) as log:
        return leave(context, node, log)


def leave(context: RegionContext, node: str, report: Reporter) -> NodeResult:
    """Have a node leave: drained, forgotten by the others, its services stopped. Its machine stays, and is not used.

    The region is to have one node less from then on. Nothing is done for a node that the region does not have, or
    has no more. Run it again after a kill. Raises Busy when another du-infra works on the region, SpecError for the
    only node, Refused below fleet.yaml's min, when no other node is ready, or when the node refuses to be drained;
    a node that failed to leave serves on.
    """
    if not context.is_begun:
        return result(context, node, "has left", PoolRecord())
    with locked(context, report), stage(report, STAGE, node):
        record = context.store.pool(context.name)
        if all(one.name != node for one in record.nodes):
            return result(context, node, "has left", record)
        context.provider.connect()
        if node not in own_machines(context, context.provider.machines()):
            return result(context, node, "is gone", forget_nodes(context, record, [node]))
        return result(context, node, "left", _leave(context, record, node, report).without([node]))


def _leave(context: RegionContext, record: PoolRecord, node: str, report: Reporter) -> PoolRecord:
    """The pool, in which the node is marked as leaving: it is forgotten when its machine is gone."""
    before, wanted = context.wish.nodes, _wanted(context, record, node)
    refuse_server(context, [node])
    refuse_last(observe_nodes(context, record.nodes), [node])
    pool = mark_of(context.spec.pool)
    context.store.event(context.name, "leave", node)  # first: by it control.resume knows that its machine is not ours
    context.store.save_pool(context.name, marked(record, [node], "leaving"), (wanted, pool))
    try:
        return take_out(context, record, [node], report)
    except DuError:
        if record.named(node).staying:
            back = marked(record, [node], "returning")
            context.store.save_pool(context.name, back, (before, pool))
            _serve_on(context, back, node, report)
        raise


def _wanted(context: RegionContext, record: PoolRecord, node: str) -> int:
    """How many nodes the region is to have then; refuses a number that it may not have."""
    staying = [one.name for one in record.staying if one.name != node]
    if record.named(node).staying:
        check(context.name, context.spec.pool, len(staying))
    return len(staying)


def _serve_on(context: RegionContext, record: PoolRecord, node: str, report: Reporter) -> None:
    """As far as it can be done now; `region up` does what is left."""
    try:
        undrain_node(context, record, node, report)
        mark(context, record, [node], "")
    except DuError as error:
        report(Event("warning", STAGE, f"cannot be given requests again now: {error}", node=node))
