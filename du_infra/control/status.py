"""``region status`` and ``region plan``: look, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from du_infra.control.cluster.servers import has_cluster
from du_infra.control.cluster.status import standing, with_cluster
from du_infra.control.configure import configurations, hash_of
from du_infra.control.context import RegionContext
from du_infra.control.copies import plan_copies
from du_infra.control.late import heard
from du_infra.control.leave import connected, staying
from du_infra.control.machines import plan_machines
from du_infra.control.observe import observe_nodes, observe_vip
from du_infra.control.region_plan import RegionPlan, plan_region, same_runtime
from du_infra.control.release.past import under_way
from du_infra.control.release.resolve import over_words, resolve, resolve_live
from du_infra.control.services import goal
from du_infra.health.plan import judge, with_releases
from du_infra.health.state import NodeReport, RegionStatus, VipReport
from du_infra.pool.plan import PoolPlan
from du_infra.pool.wish import words as wish_words


def region_status(context: RegionContext) -> RegionStatus:
    """The region as its nodes and its VIP describe it now; a region that was never brought up is not ready."""
    record = context.record
    reports = observe_nodes(context, record.nodes)
    leaving = {node.name: node.state for node in record.nodes if not node.staying}
    answer = observe_vip(record.vip) if record.vip else VipReport()
    status = judge(context.name, context.spec, context.services, record.vip, reports, answer, leaving)
    if not record.nodes:
        return status
    status = replace(status, over=wish_words(context.spec.pool, context.scaled))
    if has_cluster(context):
        status = with_cluster(status, standing(context, record))
    return with_releases(status, over_words(context), under_way(context))


def region_plan(context: RegionContext, *, live: bool = False) -> RegionPlan:
    """What ``region up`` would do now; ``live``: with every service at the release that serves (see control.up).

    The local cloud must run; an image that is not there yet is an error.
    """
    context.provider.connect()
    record = context.record if live else heard(context.record)
    return plan_for(context, plan_machines(context, context.provider.machines(), record), live=live)


def plan_for(context: RegionContext, pool: PoolPlan, *, live: bool) -> RegionPlan:
    """What would bring the region to this pool, and its services with it."""
    reports = _reports(context, pool)
    record = connected(pool.record, reports)
    hashes = {name: hash_of(variables) for name, variables in configurations(context, record).items()}
    resolved = resolve_live(context) if live else resolve(context)
    there = staying(pool.record, reports)
    aim = goal(context, resolved, there)
    same_runtime(there, context.spec.runtime)
    copies = plan_copies(context, reports)
    plan = plan_region(context.name, pool, {told.name: told for told in there}, hashes, aim, copies)
    return replace(plan, notes=_notes(context, resolved.over))


def _notes(context: RegionContext, over: Mapping[str, str]) -> tuple[str, ...]:
    """What ``up`` leaves alone although fleet.yaml says something else."""
    told = [f"{name}: {words}" for name, words in over.items()]
    scaled = [] if context.nodes else [text for text in [wish_words(context.spec.pool, context.scaled)] if text]
    return (*scaled, *told, *(f"{name}: {words}" for name, words in under_way(context).items()))


def _reports(context: RegionContext, pool: PoolPlan) -> Sequence[NodeReport]:
    absent = {*pool.created, *pool.stopped}
    return observe_nodes(context, [node for node in pool.record.nodes if node.name not in absent])
