"""Work on a region that was cut off goes on without its person, through the path that ``region up`` takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from du_infra.control.context import RegionContext
from du_infra.control.heal import Look, look, open_release
from du_infra.control.lock import locked
from du_infra.control.up import bring_up
from du_infra.health.resume import Piece, Resume, plan_resume
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.pool.wish import holds
from du_infra.progress import Reporter
from du_infra.release.state import Rollout


def plan_unfinished(context: RegionContext, seen: Look) -> Resume:
    """What was cut off, as the region looks; changes nothing. Whoever holds the region's lock may be at it just now."""
    if not seen.views:
        return Resume()
    scaled = context.scaled
    first = _first_releases(context)
    return plan_resume(
        [_piece(context, seen, node, told) for node, told in zip(seen.record.nodes, seen.reports, strict=True)],
        scaled=scaled.nodes if scaled and holds(context.spec.pool, scaled) else None,
        written=context.spec.pool.wanted,
        first=sorted(first),
        hindrance=_hindrance(context, seen, first),
    )


def resume(
    context: RegionContext, report: Reporter, tell: Callable[[Resume], None], *, dry_run: bool = False
) -> Mapping[str, str]:
    """Go on with what :func:`plan_unfinished` finds under the region's lock; ``tell`` hears of it first.

    Services stay at the releases that serve. Returns what was done, in words by node ("" for the region). Raises Busy
    when another du-infra works on the region, which may well be at this very work, and what ``region_up`` does.
    """
    with locked(context, report):
        seen = look(context)
        plan = plan_unfinished(context, seen)
        if plan.work:
            tell(plan)
        if dry_run or plan.waits or not plan.work:
            return {}
        context.store.event(context.name, "resume", "; ".join(f"{node}: {words}" for node, words in plan.work.items()))
        dead = seen.silent & {*seen.record.going}
        result = bring_up(replace(context, nodes=plan.nodes, dead=dead), report, live=True)
        context.store.autoscaling.end(context.name)
    return dict.fromkeys(plan.work, f"what was cut off is done; the region is {', '.join(result.nodes)}")


def _piece(context: RegionContext, seen: Look, node: Node, told: NodeReport) -> Piece:
    return Piece(
        name=node.name,
        state=node.state,
        joined=node.joined,
        configured=told.installed or told.broken or not told.reachable,
        complete=_complete(context, seen, told),
        foreign=node.state == "leaving" and context.store.last_order(context.name, node.name) == "leave",
    )


def _complete(context: RegionContext, seen: Look, told: NodeReport) -> bool:
    """A node that is drained, or at work, is somebody's; and what no node runs yet is ``region up``'s matter."""
    if not told.answers or told.draining or told.busy:
        return True
    staying = {node.name for node in seen.record.staying}
    live = {name for other in seen.reports if other.name in staying for name in _services(other)}
    return live & context.services.keys() <= _services(told)


def _services(told: NodeReport) -> set[str]:
    return {str(row.get("name")) for row in told.services if row.get("release")}


def _first_releases(context: RegionContext) -> dict[str, Rollout]:
    """First releases that a ``region up`` did not live to end: nothing serves yet that they could harm."""
    rows = context.store.rollouts.open(context.name)
    return {
        name: row
        for name, row in rows.items()
        if row.kind == "up" and not row.previous and row.direction == "forward" and row.state == "running"
    }


def _hindrance(context: RegionContext, seen: Look, first: Mapping[str, Rollout]) -> str:
    """Why nothing is gone on with now; "" for nothing."""
    if not context.spec.heal.enabled:
        return "healing is turned off"
    if release := open_release(context, but=first):
        return release
    if seen.strays:
        return f"{', '.join(seen.strays)} is ours and not recorded: `du-infra region up` or `region reconcile` decides"
    silent = sorted(seen.silent - {*seen.record.going})
    return f"{', '.join(silent)} does not answer" if silent else ""
