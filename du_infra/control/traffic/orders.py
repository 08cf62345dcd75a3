"""``traffic plan | apply | shift | drain | undrain``: what a person wants of the entrance, and a first step to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.look import View
from du_infra.control.traffic.sightings import Board
from du_infra.control.traffic.turn import Desk, look_around
from du_infra.control.traffic.watcher import Watcher
from du_infra.control.traffic.wish import course_of, keep, shifted
from du_infra.errors import Busy, NotReady, Refused
from du_infra.health.state import Standing
from du_infra.progress import Reporter, stage
from du_infra.traffic import course as courses
from du_infra.traffic.course import Course
from du_infra.traffic.guard import check_shares, drain_refusal
from du_infra.traffic.order import TrafficOrder
from du_infra.traffic.plan import Plan
from du_infra.traffic.state import Record

STAGE = "traffic"
_VERIFY_SECONDS = 10.0
_POLL = 0.25

Change = Callable[[Course], Course]


@dataclass(frozen=True)
class TrafficPlan:
    """What a pass would do now, on the way to ``course``; ``why`` it is wanted, "" where nothing new is.

    ``plan.notes`` say what waits. ``before``: what DNS has now.
    """

    course: Course
    plan: Plan
    before: Record | None
    why: str = ""

    @property
    def changes(self) -> bool:
        """Whether there is anything to do, now or later."""
        return bool(self.plan.actions or self.why)

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs (docs/cli.md)."""
        before = asdict(self.before) if self.before else None
        return {**self.plan.to_json(), "why": self.why, "course": self.course.to_json(), "before": before}


@dataclass(frozen=True)
class TrafficResult:
    """What was done. ``record`` is what every server answers; ``waits``: what is still to be done, and why not yet."""

    name: str
    record: Record | None
    actions: tuple[str, ...]
    waits: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs (docs/cli.md)."""
        return asdict(self)


def change_of(order: TrafficOrder | None) -> tuple[Change | None, str]:
    """What an order makes of a course, and the order in words. None changes nothing."""
    if order is None:
        return None, ""
    if order.kind == "shift":
        words = ", ".join(f"{name} {percent} %" for name, percent in order.shares.items())
        return (lambda course: shifted(course, order.shares)), f"shift {words}"
    region, work = next(iter(order.shares)), courses.drain if order.kind == "drain" else courses.undrain
    return (lambda course: work(course, region)), f"{order.kind} {region}"


def plan_order(entrance: Entrance, report: Reporter, change: Change | None = None, why: str = "") -> TrafficPlan:
    """What would be done now, with what is asked for. Raises Refused where a guard forbids it, which is named."""
    desk, board = look_around(entrance, report, Watcher())
    return _planned(entrance, desk, board, change, why)


def carry_out(entrance: Entrance, report: Reporter, change: Change | None = None, why: str = "") -> TrafficResult:
    """Have it wanted from now on, make one pass, and wait until every server answers so.

    Raises Refused where a guard forbids it, Busy while another controller changes DNS (what is wanted is kept then, and
    that one goes on), NotReady when a server answers something else, and what the backend does.
    """
    desk, board = look_around(entrance, report, Watcher())
    with stage(report, STAGE, why or "one pass"):
        now = course_of(entrance)
        if why and not now.number and not entrance.spec.freeze:
            keep(entrance, now)  # what fleet.yaml says comes first, or it would go over the order
        planned = _planned(entrance, desk, board, change, why)
        if why:
            keep(entrance, planned.course, why)
        view = _turned(desk, board, why)
        record = view.plan.memory.record
        if view.plan.record is not None:
            _verify(desk, record)
    waits = view.plan.notes if view.record or view.plan.record else ("no region has an address yet",)
    return TrafficResult(entrance.name, record, tuple(str(action) for action in view.plan.actions), tuple(waits))


def _turned(desk: Desk, board: Board, why: str) -> View:
    try:
        return desk.turn(board)
    except Busy as error:
        error.done = "what is wanted is kept, and whoever changes DNS goes on with it" if why else ""
        raise


def _planned(entrance: Entrance, desk: Desk, board: Board, change: Change | None, why: str) -> TrafficPlan:
    now = course_of(entrance)
    wanted = change(now) if change else now
    if wanted.weights != now.weights:
        check_shares(wanted, desk.dns.backend.capabilities(), entrance.name, entrance.spec.backend)
    view = desk.look(board, fresh=True, course=wanted)
    if why:
        if entrance.spec.freeze:
            raise Refused(
                "guard freeze: nothing may be changed", where=entrance.name, todo="write freeze: false in fleet.yaml"
            )
        for name in set(wanted.drained) - set(now.drained):
            _may_drain(name, view.plan.memory.base, view.aim.wanted(), view.standings, view.settings.min_regions)
    return TrafficPlan(wanted, view.plan, view.record, why if wanted != now else "")


def _may_drain(
    name: str, base: Mapping[str, int], wanted: Mapping[str, int], health: Mapping[str, Standing], least: int
) -> None:
    if reason := drain_refusal(name, base, wanted, health, least):
        guard = "min_regions" if "min_regions" in reason else "one drain at a time"
        todo = (
            "bring another region up first, or lower min_regions in fleet.yaml"
            if guard == "min_regions"
            else "`du-infra control explain` says what is amiss there; drain again when it is well"
        )
        raise Refused(f"guard {guard}: it may not be drained now: {reason}", where=name, todo=todo)


def _verify(desk: Desk, record: Record) -> None:
    """Raises NotReady when a server answers something else for long."""
    deadline = time.monotonic() + _VERIFY_SECONDS
    while wrong := [one for one in desk.dns.ask(record) if not one.ok]:
        if time.monotonic() > deadline:
            words = "; ".join(f"{one.server} {', '.join(one.words)}" for one in wrong)
            todo = "`du-infra traffic apply` writes it once more; `du-infra control run` does by itself"
            raise NotReady(f"DNS was changed, and not every server answers so: {words}", where=record.name, todo=todo)
        time.sleep(_POLL)
