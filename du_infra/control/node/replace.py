"""``node replace``: another node first, under a new name; when it serves, the old one leaves."""

from __future__ import annotations

from du_infra.control.context import RegionContext
from du_infra.control.leave import mark, marked
from du_infra.control.lock import locked
from du_infra.control.machines import plan_machines
from du_infra.control.node.desk import pool_of
from du_infra.control.region_plan import RegionPlan
from du_infra.control.status import plan_for
from du_infra.control.up import UpResult, bring_up
from du_infra.progress import Reporter


def plan_replace(context: RegionContext, node: str) -> RegionPlan:
    """What :func:`replace_node` would do now; changes nothing. Raises what it does."""
    record = pool_of(context, node)
    context.provider.connect()
    machines = context.provider.machines()
    return plan_for(context, plan_machines(context, machines, marked(record, [node], "replaced")), live=True)


def replace_node(context: RegionContext, node: str, report: Reporter) -> UpResult:
    """Have a new node made and serve the live releases; then the old one is drained if it answers, and destroyed.

    That it is to be replaced is written down first: after a kill `region up` goes on with it. Raises SpecError where
    the region has no such node, and any DuError of ``region_up``.
    """
    with locked(context, report):
        record = pool_of(context, node)
        mark(context, record, [node], "replaced")
        context.store.event(context.name, "replace", node)
        return bring_up(context, report, live=True)
