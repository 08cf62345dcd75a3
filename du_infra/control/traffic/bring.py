"""One region is brought to the release that is pinned there, by the same engine as any release; and how that went."""

from __future__ import annotations

from dataclasses import dataclass, field

from du_infra.control.context import RegionContext
from du_infra.control.release.begin import Wish, carry_out, plan_release, plan_rollback
from du_infra.control.release.decide import abort, resume
from du_infra.control.release.result import result_of
from du_infra.errors import Refused
from du_infra.progress import Reporter
from du_infra.release.outline import ReleasePlan
from du_infra.store.database import actor

_SLACK = 5.0
"""Seconds by which the store's clock may differ from ours."""


@dataclass(frozen=True)
class Order:
    """``service`` is to be ``release``: forward, as ``tag`` with ``wish`` over its settings, or ``back``."""

    service: str
    release: str
    tag: str
    back: bool = False
    wish: Wish = field(default_factory=Wish)


def bring(context: RegionContext, order: Order, report: Reporter) -> None:
    """Bring the region there; what was cut off goes on, and on the way back what is open is ended first.

    Raises a subclass of DuError when it did not get there: whatever it was, the region went back by itself.
    """
    row = context.store.rollouts.open(context.name).get(order.service)
    if row is not None and row.state == "running" and row.live == order.release:
        ending = resume(context, order.service, report)
    elif row is not None and order.back:
        ending = abort(context, order.service, report)
    else:
        ending = carry_out(context, _plan(context, order, report), report)
    result_of(context, ending, order.service)


def failed(context: RegionContext, order: Order, since: float) -> str:
    """Why the region's newest release of it since then (unix seconds) failed; "" where it did not."""
    newest = next(iter(context.store.rollouts.history(context.name, order.service, limit=1)), None)
    if newest is None or newest.open or newest.state == "done" or newest.release != order.release:
        return ""
    return (newest.why or newest.state) if newest.started >= since - _SLACK else ""


def _plan(context: RegionContext, order: Order, report: Reporter) -> ReleasePlan:
    if order.back:
        return plan_rollback(context, order.service, order.release)
    plan = plan_release(context, order.service, order.tag, order.wish, report)
    if plan.release != order.release:
        what = f"{order.tag} has become another image: it is {plan.release} now, not {order.release}"
        raise Refused(what, where=f"region {context.name}", todo="release it under a tag of its own")
    return plan


def stop(context: RegionContext, service: str) -> None:
    """Ask whoever is at work on the service's release there, be it ourselves, to go back."""
    row = context.store.rollouts.open(context.name).get(service)
    if row is not None and not row.request:
        context.store.rollouts.change(row.id, request=actor())


def leave_to_waves(context: RegionContext, service: str) -> None:
    """Raises Refused while the service goes through the world, or back: a region with another release would be down."""
    traffic = context.fleet.traffic
    course = context.store.traffic.course(traffic.name) if traffic and context.is_begun else None
    if course and service and service in (course.service, course.back):
        words = "goes through the world by waves" if course.service else "goes back everywhere"
        todo = "wait for its end, or stop it with `du-infra release abort --waves`"
        raise Refused(f"{service} {words}", where=f"region {context.name}", todo=todo)
