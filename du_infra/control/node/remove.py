"""``node remove``: one node less, and it is this one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from du_infra.control.cluster.servers import refuse_server
from du_infra.control.context import RegionContext
from du_infra.control.leave import STAGE, leave_nodes, marked, refuse_last
from du_infra.control.lock import locked
from du_infra.control.machines import plan_machines
from du_infra.control.node.desk import NodeResult, pool_of, result
from du_infra.control.observe import observe_nodes
from du_infra.control.region_plan import RegionPlan
from du_infra.control.status import plan_for
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.wish import check, mark_of
from du_infra.progress import Reporter, stage


def plan_remove(context: RegionContext, node: str, *, force: bool = False) -> RegionPlan:
    """What :func:`remove` would do now; changes nothing. Raises what it does."""
    record = pool_of(context, node)
    refuse_server(context, [node])
    reports = observe_nodes(context, record.nodes)
    asked = replace(_without_waiting(context, node, reports), nodes=_wanted(context, record, node, reports, force))
    asked.provider.connect()
    machines = asked.provider.machines()
    return plan_for(asked, plan_machines(asked, machines, marked(record, [node], "leaving")), live=True)


def remove(
    context: RegionContext, node: str, report: Reporter, *, cut_after: float | None = None, force: bool = False
) -> NodeResult:
    """Have a node leave and be destroyed; from then on the region is to have one less, as after a scale.

    Raises SpecError for the only node, Refused below fleet.yaml's min and, unless ``force``, when no other node is
    ready to take its requests.
    """
    with locked(context, report), stage(report, STAGE, node):
        record = pool_of(context, node)
        refuse_server(context, [node])
        reports = observe_nodes(context, record.nodes)
        wanted = _wanted(context, record, node, reports, force)
        record = marked(record, [node], "leaving")
        wish = (wanted, mark_of(context.spec.pool)) if wanted != context.wish.nodes else None
        context.store.save_pool(context.name, record, wish)
        context.store.event(context.name, "remove", node)
        seen = _without_waiting(context, node, reports)
        seen.provider.connect()
        record = leave_nodes(seen, record, [node], report, cut_after=cut_after, last=force)
        return result(context, node, "removed", record)


def _without_waiting(context: RegionContext, node: str, reports: Sequence[NodeReport]) -> RegionContext:
    """For the rest of a command: a node that did not answer is not asked and waited for again."""
    silent = {told.name for told in reports if told.name == node and not told.reachable}
    return replace(context, dead=context.dead | silent)


def _wanted(context: RegionContext, record: PoolRecord, node: str, reports: Sequence[NodeReport], force: bool) -> int:
    """How many nodes the region is to have without ``node``; refuses what may not be."""
    wanted = context.wish.nodes
    if record.named(node).staying and len(record.staying) <= wanted:
        wanted = len(record.staying) - 1
        check(context.name, context.spec.pool, wanted)
    if not force:
        refuse_last(reports, [node])
    return wanted
