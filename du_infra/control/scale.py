"""``region scale``: another number of nodes, over fleet.yaml's, until fleet.yaml's pool says something new."""

from __future__ import annotations

from dataclasses import replace

from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.control.region_plan import RegionPlan
from du_infra.control.status import region_plan
from du_infra.control.up import UpResult, bring_up
from du_infra.pool.wish import check, mark_of
from du_infra.progress import Reporter


def plan_scale(context: RegionContext, nodes: int) -> RegionPlan:
    """What scaling to ``nodes`` would do now; changes nothing. Raises what :func:`region_scale` does."""
    _check(context, nodes)
    return region_plan(replace(context, nodes=nodes), live=True)


def region_scale(context: RegionContext, nodes: int, report: Reporter) -> UpResult:
    """Ask for ``nodes`` from now on, and bring the region there as ``region up`` does.

    The wish is written down first: after a kill `region up` goes on with it. Raises Refused where the region is not
    up or fleet.yaml's min and max forbid it, and any DuError of ``region_up``.
    """
    _check(context, nodes)
    with locked(context, report):
        set_wish(context, nodes)
        return bring_up(context, report, live=True)


def set_wish(context: RegionContext, nodes: int) -> None:
    """Write down that ``nodes`` are wanted, by whoever we are; the caller holds the region's lock."""
    context.store.save_pool_wish(context.name, nodes, mark_of(context.spec.pool))
    context.store.event(context.name, "scale", f"to {nodes} node(s)")


def _check(context: RegionContext, nodes: int) -> None:
    check(context.name, context.spec.pool, nodes)
    context.must_be_up()
