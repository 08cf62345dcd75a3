"""``region move``: what is there, what stands in the way, and one step after the other by the pieces that exist."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision
from du_infra.control.down import region_down
from du_infra.control.fleet_file import change_file
from du_infra.control.move_check import check_move, notes_of
from du_infra.control.scale import region_scale
from du_infra.control.status import region_status
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.followed import Followed
from du_infra.control.traffic.look import View
from du_infra.control.traffic.minder import LOUD, TrafficMinder
from du_infra.control.traffic.orders import carry_out
from du_infra.control.traffic.wish import by_file, course_of
from du_infra.control.up import region_up
from du_infra.errors import Busy, NotReady
from du_infra.progress import Event, Reporter, stage
from du_infra.spec import load_spec
from du_infra.spec.edit import Change, beside, handed_over, without
from du_infra.traffic.aim import settings_of
from du_infra.traffic.move import Led, MovePlan, MoveStep, Moving, check_weights, plan_move, why_not_clear
from du_infra.traffic.shares import whole

STAGE = "move"
_NUMBERS = re.compile("[0-9.]+")


@dataclass(frozen=True)
class MoveOrder:
    """Which region is to move to which provider, and what it is called there; "" for its name and the provider's."""

    old: str
    provider: str
    new: str = ""

    @property
    def name(self) -> str:
        """The new region's name."""
        return self.new or f"{self.old}-{self.provider}"


@dataclass(frozen=True)
class MoveResult:
    """What a move left: where the new region is, and what was done."""

    old: str
    new: str
    vip: str
    done: tuple[str, ...]


def plan_region_move(file: Path, order: MoveOrder) -> MovePlan:
    """What is left to do; changes nothing. Raises SpecError and Refused for what cannot be moved."""
    entrance = _entrance(file)
    check_move(entrance, order.old, order.name, order.provider)
    seen = _look(entrance, order, clear=False)
    return MovePlan(order.old, order.name, plan_move(seen), notes_of(entrance, order.old, order.name))


def region_move(file: Path, order: MoveOrder, report: Reporter) -> MoveResult:
    """Carry the move out; nobody is asked. The same again goes on after a kill.

    Raises what ``plan_region_move`` does, NotReady when the new region falls while requests are led there (the old one
    still stands then), Busy while somebody else moves it, and what ``region up`` and ``region down`` raise.
    """
    done: list[str] = []
    first = _entrance(file)
    check_move(first, order.old, order.name, order.provider)
    with first.store.leases.held(f"move of {order.old}", f"moves {order.old} to {order.name}") as lease:
        clear = False
        while step := _next(file, order, clear):
            lease.check()
            with stage(report, STAGE, f"{step.kind} {step.target}: {step.why}"):
                _do(file, order, step, report)
            clear = step.kind == "wait"
            done.append(f"{step.kind} {step.target}")
    last = _entrance(file)
    return MoveResult(order.old, order.name, last.store.pool(order.name).vip, tuple(done))


def _next(file: Path, order: MoveOrder, clear: bool) -> MoveStep | None:
    """The first of what is left; looked at anew each time, for a step may take minutes."""
    entrance = _entrance(file)
    if order.old not in entrance.fleet.regions:
        return None
    return plan_move(_look(entrance, order, clear))[0]


def _do(file: Path, order: MoveOrder, step: MoveStep, report: Reporter) -> None:
    entrance = _entrance(file)
    old, new = order.old, order.name
    if step.kind == "write":
        change_file(file, beside(old, new, order.provider, _wanted(entrance)))
    elif step.kind == "up":
        _up(entrance, old, new, report)
    elif step.kind == "shift":
        change_file(file, handed_over(old, new))
    elif step.kind == "wait":
        _lead(entrance, old, new, report)
    elif step.kind == "down":
        region_down(entrance.regions[old], report)
    else:
        _forget(file, without(old), report)


def _look(entrance: Entrance, order: MoveOrder, clear: bool) -> Moving:
    listed = order.name in entrance.fleet.regions
    old = entrance.regions[order.old]
    seen = Moving(
        order.old,
        order.name,
        order.provider,
        by_file(entrance) if listed else _wanted(entrance),
        listed=listed,
        ready=listed and _ready(entrance.regions[order.name], _nodes(old)),
        clear=clear,
        machines=order.old in entrance.store.regions(),
        nodes=_nodes(old),
        steps=entrance.spec.canary,
    )
    check_weights(seen)
    return seen


def _wanted(entrance: Entrance) -> Mapping[str, int]:
    """The weights that hold now: fleet.yaml's own numbers, or what a person ordered since."""
    file, course = by_file(entrance), course_of(entrance)
    return file if whole(file) == course.weights else dict(course.weights)


def _nodes(old: RegionContext) -> int:
    """As many nodes as the old region has, however it came to have them."""
    return len(old.record.staying) or old.wish.nodes


def _ready(context: RegionContext, nodes: int) -> bool:
    return len(context.record.staying) >= nodes and region_status(context).ready


def _up(entrance: Entrance, old: str, new: str, report: Reporter) -> None:
    context, nodes = entrance.regions[new], _nodes(entrance.regions[old])
    region_up(context, report)
    if nodes > context.wish.nodes:
        region_scale(context, nodes, report)
    if not _ready(context, nodes):
        todo = f"`du-infra region status {new}` says what is amiss; then run the same command again"
        raise NotReady(f"the new region does not serve; {old} was not touched", where=new, todo=todo)


def _lead(entrance: Entrance, old: str, new: str, report: Reporter) -> None:
    """Make passes over the entrance, beside whoever else does, until nobody is led to the old region any more."""
    views: list[View] = []
    minder = TrafficMinder(lambda decision: report(_event(decision)), report, saw=views.append)
    followed, told = Followed(entrance, report, STAGE), ""
    try:
        while True:
            views.clear()
            entrance = followed.now()
            minder.mind(entrance)
            for view in views:
                _refuse_to_wait(view, old, new)
                if not (why := _why_not_clear(entrance, view, old, new)):
                    return
                if (gist := _NUMBERS.sub("", why)) != told:
                    told = gist
                    report(Event("step", STAGE, f"waits: {why}"))
            time.sleep(minder.pause)
    finally:
        minder.close()


def _why_not_clear(entrance: Entrance, view: View, old: str, new: str) -> str:
    memory, record = view.plan.memory, view.plan.memory.record
    settings = settings_of(entrance.spec)
    led = Led(
        memory.base,
        {name: share for name, share in record.shares().items() if share > 0},
        view.now - memory.changed,
        frozenset(name for name, one in view.standings.items() if one.surely_up),
        view.counted,
    )
    if view.plan.record is not None or view.record != record:
        return f"DNS is just being told of {', '.join(sorted(led.given))}"
    return why_not_clear(old, new, led, max(settings.soak, settings.settle), settings.min_requests)


def _refuse_to_wait(view: View, old: str, new: str) -> None:
    here = view.standings.get(new)
    if here and new in view.plan.memory.out and here.known and here.leaning is None:  # else it may be on its way back
        todo = (
            f"`du-infra control explain {new}` says why; mend it and run the same command again, or go back: "
            f"`du-infra region move {new}` with the provider of {old} and --as {old}"
        )
        words = f"the new region has fallen: {here.why}; {old} still stands"
        raise NotReady(words, where=new, todo=todo)


def _forget(file: Path, change: Change, report: Reporter) -> None:
    """Out of the file, and out of what DNS remembers."""
    change_file(file, change)
    try:
        carry_out(_entrance(file), report)
    except (Busy, NotReady) as error:  # whoever is at it brings that along; the region is gone whatever DNS remembers
        report(Event("warning", STAGE, str(error)))


def _event(decision: Decision) -> Event:
    event = Event("step", STAGE, f"{decision.kind} {decision.region}: {decision.text}")
    return replace(event, kind="warning") if decision.kind in LOUD else event


def _entrance(file: Path) -> Entrance:
    whole_path = file.resolve()
    return Entrance(load_spec(whole_path), whole_path.parent, whole_path.name)
