"""``release start --waves`` and ``release abort --waves``: planned, begun or gone on with, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from du_infra.control.release.begin import Wish, plan_release
from du_infra.control.traffic.bring import Order
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.hands import STAGE
from du_infra.control.traffic.voyage import Voyage
from du_infra.control.traffic.wish import course_of, keep
from du_infra.errors import Busy, NotReady, Refused, SpecError
from du_infra.parallel import each
from du_infra.progress import Reporter, stage
from du_infra.spec import services_of
from du_infra.spec.suggest import did_you_mean
from du_infra.store.database import actor
from du_infra.store.gate import fenced
from du_infra.traffic import course as courses
from du_infra.traffic.aim import settings_of
from du_infra.traffic.course import Course
from du_infra.traffic.itinerary import WavePlan, legs_of
from du_infra.traffic.waves import begin, held_to, rules_of

Make = Callable[[Entrance, Order, Reporter], Voyage]


@dataclass(frozen=True)
class WaveResult:
    """How it ended well: ``state`` is "done", "aborted" or "unchanged". ``steps``: what was gone through, in words."""

    name: str
    service: str
    release: str
    state: str
    steps: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs (docs/cli.md)."""
        return {**vars(self), "steps": list(self.steps)}


def plan_waves(entrance: Entrance, service: str, tag: str, options: Mapping[str, Any], report: Reporter) -> WavePlan:
    """What releasing it through the world would do, or still has to do; changes nothing. ``options``: see WavePlan.

    Raises SpecError for a service or a tag that is not there, Refused where a region is not up, another release is
    open or goes through the world, or nothing is allowed to change, and what ``Region.plan_release`` does.
    """
    runs, course = _runs(entrance, service), course_of(entrance)
    rules = rules_of(entrance.spec, runs, settings_of(entrance.spec).settle)
    soak, least = entrance.spec.soak.seconds, entrance.spec.min_requests
    if service in (course.service, course.back) and service:
        gone = _begun(entrance, course, tag)
        origin = _origin(entrance, gone)
        legs, previous = legs_of(origin, service, gone.release, held_to(gone, rules)), dict(origin.pins[service])
        plan = WavePlan(entrance.name, service, tag, gone.release, legs, previous, soak, least, options=options)
        return replace(plan, goes_on=course.under_way, goes_back=bool(course.back), wave=course.wave, step=course.step)
    plans = each(lambda name: plan_release(entrance.regions[name], service, tag, Wish(**options), report), runs)
    if len({one.release for one in plans}) > 1:
        found = ", ".join(f"{one.release} in {one.region}" for one in plans)
        raise Refused(f"{tag} is not the same release everywhere: it is {found}", where=service)
    previous = {one.region: one.previous for one in plans}
    legs = legs_of(courses.pin(course, service, previous), service, plans[0].release, rules)
    return WavePlan(entrance.name, service, tag, plans[0].release, legs, previous, soak, least, options=options)


def release_waves(entrance: Entrance, plan: WavePlan, report: Reporter, make: Make = Voyage) -> WaveResult:
    """Do it, or go on with it, to its end. Raises NotReady when it went back, Busy when another process is at it."""
    if plan.there:
        return WaveResult(plan.name, plan.service, plan.release, "unchanged")
    with _alone(entrance) as check, stage(report, STAGE, f"{plan.service} {plan.tag} through {plan.name}"):
        if not plan.goes_on and not plan.goes_back:
            _begin(entrance, plan)
        order = Order(plan.service, plan.release, plan.tag, wish=Wish(**_wished(course_of(entrance), plan.options)))
        voyage = make(entrance, order, report)
        voyage.run(check)
        _went_back(voyage, plan.name, f"{plan.service} {plan.tag}")
    return WaveResult(plan.name, plan.service, plan.release, "done", tuple(voyage.steps))


def unattended(entrance: Entrance) -> Course | None:
    """The course of a release that goes through the world, or back, and that nobody is at work on; None: no such."""
    course = course_of(entrance)
    wanted = (course.service or course.back) and not entrance.store.leases.holder(_lease(entrance))
    return course if wanted else None


def go_on(entrance: Entrance, report: Reporter, over: Callable[[], bool], make: Make = Voyage) -> WaveResult | None:
    """Take it to its end, as the command would that began it; None once ``over``: then others may.

    What is under way in a region when it is over comes to its end first, and nothing more is begun. Raises NotReady
    when it went back, Busy when somebody else is at it, Refused when there is none any more.
    """
    with _alone(entrance) as check, stage(report, STAGE, f"a release through {entrance.name} that was cut off"):
        course = course_of(entrance)
        service = course.service or course.back
        if not service:
            raise Refused("no release goes through the world", where=entrance.name)
        order = Order(service, course.release, course.tag, wish=Wish(**course.wish), back=bool(course.back))
        voyage = make(entrance, order, report)
        voyage.run(check, over)
        if over():
            return None
        _went_back(voyage, entrance.name, f"{service} {course.tag}".strip())
    return WaveResult(entrance.name, service, course.release, "done", tuple(voyage.steps))


def _went_back(voyage: Voyage, name: str, what: str) -> None:
    if voyage.went_back:
        todo = "`du-infra release list --region NAME` and `du-infra control explain` tell more"
        error = NotReady(f"{what} {voyage.went_back}", where=name, todo=todo)
        error.done = "every region is back at the release of before, and so are the shares"
        raise error


def _wished(course: Course, options: Mapping[str, Any]) -> dict[str, Any]:
    """What it was begun with, and over that what the command says that goes on with it."""
    return {**course.wish, **_said(options)}


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def abort_waves(entrance: Entrance, service: str, report: Reporter, make: Make = Voyage) -> WaveResult:
    """Have a release that goes through the world go back everywhere. Raises Refused when none does.

    Where another process is at it, that one goes back.
    """
    course = course_of(entrance)
    found = course.service or course.back
    if not found or service not in ("", found):
        raise Refused("no release goes through the world", where=service or entrance.name)
    if course.under_way:
        keep(entrance, courses.revert(course, _origin(entrance, course)), f"went back: aborted by {actor()}")
    if entrance.store.leases.holder(_lease(entrance)):
        return WaveResult(entrance.name, found, "", "aborted", ("whoever is at work on it goes back",))
    with _alone(entrance) as check, stage(report, STAGE, f"{found} back through {entrance.name}"):
        voyage = make(entrance, Order(found, "", "", back=True), report)
        voyage.run(check)
    return WaveResult(entrance.name, found, "", "aborted", tuple(voyage.steps))


def _runs(entrance: Entrance, service: str) -> list[str]:
    """The regions that run the service."""
    if entrance.spec.freeze:
        todo = "write freeze: false in fleet.yaml"
        raise Refused("guard freeze: nothing may be changed", where=entrance.name, todo=todo)
    runs = [name for name in entrance.regions if service in services_of(entrance.fleet, name)]
    if not runs:
        hint = did_you_mean(service, list(entrance.fleet.services))
        raise SpecError(f"no region runs a service {service}", where=entrance.name, todo=hint)
    return runs


def _begun(entrance: Entrance, course: Course, tag: str) -> Course:
    """What was begun before and goes on, or back: the last course of its way forward."""
    store = entrance.store.traffic
    if course.back:
        gone = next((one for one in store.courses(entrance.name) if one.service == course.back), course)
    else:
        gone = course
    if gone.tag != tag:
        todo = "wait for its end, or stop it with `du-infra release abort --waves`"
        words = "went back, and not every region is back yet" if course.back else "goes through the world already"
        raise Refused(f"{gone.service} {gone.tag} {words}", where=gone.service, todo=todo)
    return gone


def _origin(entrance: Entrance, course: Course) -> Course:
    found = entrance.store.traffic.course(entrance.name, course.origin)
    assert found is not None  # courses are kept for ever
    return found


def _begin(entrance: Entrance, plan: WavePlan) -> None:
    """What runs is pinned first, as what it goes back to; then the first wave. Raises Busy, and what ``begin`` does."""
    rules, course = rules_of(entrance.spec, plan.previous, settings_of(entrance.spec).settle), course_of(entrance)
    if not course.number:
        course = keep(entrance, course)
    pinned = courses.pin(course, plan.service, plan.previous)
    if pinned.pins != course.pins:
        course = keep(entrance, pinned, f"what {plan.service} runs before {plan.tag}")
    first = begin(course, plan.service, plan.release, rules, plan.tag)
    keep(entrance, replace(first, wish=_said(plan.options)), f"release {plan.service} {plan.tag}")


def _lease(entrance: Entrance) -> str:
    return f"waves of {entrance.name}"


@contextmanager
def _alone(entrance: Entrance) -> Iterator[Callable[[], None]]:
    """One process takes a release through the world; raises Busy, which says who does. Courses of persons pass.

    What it gives raises Busy, too, once another process took over: this one stood still, or lost the store for long.
    """
    leases = entrance.store.leases
    try:
        with leases.held(_lease(entrance), "takes a release through the world") as lease, fenced(lease.fence):
            yield lease.check
    except Busy as error:
        if error.where == _lease(entrance):
            error.todo = "wait for its end, or stop it with `du-infra release abort --waves`"
        raise
