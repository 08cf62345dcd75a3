"""``region status`` and ``region plan``: look, and change nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from du_infra.control.configure import configurations, hash_of
from du_infra.control.context import RegionContext
from du_infra.control.machines import plan_machines
from du_infra.control.observe import observe_nodes, observe_vip
from du_infra.control.region_plan import RegionPlan, plan_region
from du_infra.control.release.past import under_way
from du_infra.control.release.resolve import over_words, resolve
from du_infra.control.services import goal
from du_infra.health.plan import judge, with_releases
from du_infra.health.state import NodeReport, RegionStatus, VipReport
from du_infra.pool.plan import PoolPlan, PoolRecord


def region_status(context: RegionContext) -> RegionStatus:
    """The region as its nodes and its VIP describe it now; a region that was never brought up is not ready."""
    record = context.store.pool(context.name) if context.state.is_dir() else PoolRecord()
    reports = observe_nodes(context, record.nodes)
    answer = observe_vip(record.vip) if record.vip else VipReport()
    status = judge(context.name, context.spec, context.services, record.vip, reports, answer)
    if not record.nodes:
        return status
    return with_releases(status, over_words(context), under_way(context))


def region_plan(context: RegionContext) -> RegionPlan:
    """What ``region up`` would do now. The local cloud must run; an image that is not there yet is an error."""
    context.provider.connect()
    pool = plan_machines(context, context.provider.machines())
    reports = _reports(context, pool)
    hashes = {name: hash_of(variables) for name, variables in configurations(context, pool.record).items()}
    resolved = resolve(context)
    aim = goal(context, resolved, list(reports.values()))
    return replace(plan_region(context.name, pool, reports, hashes, aim), notes=_notes(context, resolved.over))


def _notes(context: RegionContext, over: Mapping[str, str]) -> tuple[str, ...]:
    """What ``up`` leaves alone although fleet.yaml says something else."""
    told = [f"{name}: {words}" for name, words in over.items()]
    return (*told, *(f"{name}: {words}" for name, words in under_way(context).items()))


def _reports(context: RegionContext, pool: PoolPlan) -> Mapping[str, NodeReport]:
    absent = {*pool.created, *pool.stopped}
    present: Sequence[NodeReport] = observe_nodes(
        context, [node for node in pool.record.nodes if node.name not in absent]
    )
    return {report.name: report for report in present}
