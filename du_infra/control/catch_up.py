"""Nodes that came back with another release than the one that serves are brought to it, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from du_infra.control.context import RegionContext
from du_infra.control.heal import Look, look
from du_infra.control.lock import locked
from du_infra.control.release import site
from du_infra.control.release.desk import Desk
from du_infra.control.release.engine import Engine
from du_infra.control.release.resolve import kept, secrets_at_hand
from du_infra.errors import DuError
from du_infra.health.state import NodeReport
from du_infra.progress import Reporter
from du_infra.release.aim import Aim
from du_infra.release.catch_up import CatchUp, Late, Runs, plan_catch_up
from du_infra.release.rollout import Rules

STAGE = "services"

Tries: TypeAlias = dict[str, list[float]]


def plan_late(context: RegionContext, seen: Look, tries: Mapping[str, Sequence[float]]) -> CatchUp:
    """Which node is brought along now, as the region looks; changes nothing. ``tries``: when each node was tried."""
    if not seen.views:
        return CatchUp()
    known, staying = kept(context), {node.name for node in seen.record.nodes if not node.state}
    return plan_catch_up(
        [_runs(told) for told in seen.reports if told.name in staying],
        {name: release for name, release in known.live.items() if (name, release) in known.records},
        open_=context.store.rollouts.open(context.name),
        tries=tries,
        now=time.monotonic(),
        hindrance="" if context.spec.heal.enabled else "healing is turned off",
    )


def bring_along(
    context: RegionContext, report: Reporter, tries: Tries, tell: Callable[[Late], None]
) -> tuple[Late | None, DuError | None]:
    """Have the node that :func:`plan_late` finds under the region's lock go to what serves; ``tell`` hears of it first.

    It is told as an old version goes to a new one anywhere: beside it, and no request before it is ready. Returns the
    node, and why it could not be brought along, if so. Notes the try in ``tries``. Raises Busy when another du-infra
    works on the region.
    """
    with locked(context, report):
        late = plan_late(context, look(context), tries).late
        if late is None:
            return None, None
        tell(late)
        tries.setdefault(late.node, []).append(time.monotonic())
        context.store.event(context.name, "late", f"{late.node} goes to what serves: {late}")
        try:
            error = _bring(context, late, report)
        except DuError as trouble:
            error = trouble
        words = f"could not go: {error}" if error else "serves what the others serve"
        context.store.event(context.name, "late", f"{late.node} {words}")
    return late, error


def _bring(context: RegionContext, late: Late, report: Reporter) -> DuError | None:
    known = kept(context)
    targets = {name: known.record(name, release) for name, (_, release) in late.services.items()}
    aim = Aim(context.fleet.fleet, context.name, targets, kept=known)
    nodes = site.nodes(context, secrets_at_hand(context))
    desk = Desk(nodes, context.store.rollouts, report, stage=STAGE)
    return Engine(desk, aim, Rules(returnable=False), [], [late.node]).run().error


def _runs(told: NodeReport) -> Runs:
    rows = {str(row.get("name")): row for row in told.services if row.get("release")}
    return Runs(
        name=told.name,
        serves={name: str(row["release"]) for name, row in rows.items()},
        ready=frozenset(name for name, row in rows.items() if row.get("ready")) if told.answers else frozenset(),
        free=told.answers and not told.busy,
    )
