"""A release begins: what it would do is planned first, and carried out when somebody says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.release import site
from du_infra.control.release.desk import Ending
from du_infra.control.release.going_on import go_on, our_turn
from du_infra.control.release.resolve import kept, record_for
from du_infra.control.release.rows import begin
from du_infra.control.release.targets import earlier
from du_infra.errors import Refused
from du_infra.health.plan import service_url
from du_infra.progress import Reporter
from du_infra.release import pins
from du_infra.release.aim import Aim, shown
from du_infra.release.options import fast, overridden, way_in
from du_infra.release.outline import ReleasePlan, outline
from du_infra.release.rollout import Rules, Stop, next_step
from du_infra.release.secrets import read_secrets
from du_infra.release.state import Json, Kind


@dataclass(frozen=True)
class Wish:
    """What a release should do otherwise than the service's settings say; None: as they say.

    ``observe`` in seconds, ``canary`` in percent of the requests, ``batch`` in nodes.
    """

    observe: float | None = None
    canary: Sequence[int] | None = None
    batch: int | None = None
    hold: bool = False

    def over(self, way: Json) -> Json:
        """``way`` with what is wished."""
        return overridden(way, observe=self.observe, canary=self.canary, batch=self.batch, hold=self.hold)


def plan_release(context: RegionContext, service: str, tag: str, wish: Wish, report: Reporter) -> ReleasePlan:
    """What releasing ``service`` at ``tag``, with fleet.yaml's other settings, would do now.

    Raises SpecError when there is no such service or image, Refused where the region is not up or another release is
    open, Busy when one is at work, NotReady when too many nodes are out of order.
    """
    spec = site.service_of(context, service)
    found = site.ready(context, service)
    asked = spec.model_copy(update={"tag": tag})
    secrets = read_secrets({service: spec}, context.folder)
    context.provider.connect()
    context.provider.prepare_images({asked.image: [tag]}, report)
    record = record_for(context, service, asked, secrets)
    options = {**wish.over(way_in(record)), "mark": pins.mark_of(spec), "over": tag != spec.tag}
    return _plan(context, found, "start", record, options)


def plan_rollback(context: RegionContext, service: str, to: str) -> ReleasePlan:
    """What going back to release ``to``, or without it to the one that served before, would do now.

    Raises Refused when there is no such release, and what :func:`plan_release` does.
    """
    spec = site.service_of(context, service)
    found = site.ready(context, service)
    record = earlier(context, service, to)
    way = fast(way_in(record))
    options = {**way, "mark": pins.mark_of(spec), "over": True}
    return _plan(context, found, "rollback", record, options)


def carry_out(context: RegionContext, plan: ReleasePlan, report: Reporter) -> Ending:
    """Do what was planned. Other services' releases in the region are waited for; an error is in the ending.

    Raises Busy when another release of the service is at work, Refused when the region is not as it was planned for.
    """
    if plan.there:
        return Ending(())
    site.free(context, plan.service)
    with our_turn(context, report):
        found = site.ready(context, plan.service)
        if shown(plan.service, found.reports) != plan.previous:
            raise Refused("the region has changed since this was planned", where=plan.service, todo="plan it again")
        nodes = [told.name for told in found.reports]
        row = begin(context, plan.kind, plan.record, plan.previous, plan.options, nodes)
        return go_on(context, row, report)


def _plan(context: RegionContext, found: site.Site, kind: Kind, record: Json, options: dict[str, Any]) -> ReleasePlan:
    name, known = str(record["name"]), kept(context)
    old = shown(name, found.reports)
    previous = {name: known.record(name, old)} if old else {}
    aim = Aim(context.fleet.fleet, context.name, {name: record}, previous, {name: options["rollout"]}, known)
    rules = Rules(options["batch"], options["max_unavailable"], options["rollout"]["hold"], bool(old))
    url = service_url(context.services[name], found.vip)
    plan = outline(kind, record, options, aim, found.reports, url)
    step = next_step("forward", [aim.see(told) for told in found.reports], rules)
    if isinstance(step, Stop) and not plan.there:
        raise site.not_ready(context, step.why)
    return plan
