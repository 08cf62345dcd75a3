"""A release through the world, from beginning to end: pass after pass, by what the store has and what is seen.

Whoever is killed is followed by the same command: which wave it is in, what is pinned and what it goes back to stand
in the course; what a region runs, its observers see; whether its release failed, its history says.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from du_infra.control.decision import Decision
from du_infra.control.traffic import bring
from du_infra.control.traffic.bring import Order
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.followed import Followed
from du_infra.control.traffic.hands import STAGE, Hands
from du_infra.control.traffic.look import View
from du_infra.control.traffic.minder import LOUD, TrafficMinder
from du_infra.control.traffic.watcher import Watcher
from du_infra.control.traffic.wish import keep
from du_infra.errors import Busy, DuError
from du_infra.progress import Event, Kind, Reporter
from du_infra.traffic.course import Course, settled
from du_infra.traffic.shares import share_of
from du_infra.traffic.waves import Rules, Sight, Turn, advance, due, held_to, rules_of


class Voyage:
    """``order``: the service, and what it is to be; ``release`` there is overruled by what each region has pinned.

    Passes are those of the loop (minder.py): what goes wrong in one is told, and tried again.
    """

    def __init__(
        self,
        entrance: Entrance,
        order: Order,
        report: Reporter,
        watcher: Callable[[], Watcher] = Watcher,
        hands: Hands | None = None,
    ) -> None:
        self._entrance, self._order, self._report = entrance, order, report
        self._followed = Followed(entrance, report, STAGE)
        self._views: list[View] = []
        self._minder = TrafficMinder(self._tell, report, watcher=watcher, saw=self._views.append)
        self._hands = hands or Hands(entrance.regions, report)
        self._said = ""
        self.steps: list[str] = []
        self.went_back = ""

    def run(self, check: Callable[[], None] = lambda: None, over: Callable[[], bool] = lambda: False) -> None:
        """Until it is through, or back everywhere: ``went_back`` says why. Raises what ``check`` does.

        Once it is ``over`` no region sets out any more, and it ends when those have arrived that are on their way.
        """
        try:
            while not self.step():
                time.sleep(self._minder.pause)
                check()
                if over() and not self._hands.rest():
                    return
        finally:
            self._minder.close()

    def step(self) -> bool:
        """One pass; whether it is all over. No error ends it: nobody else would go on, and a bad release would stay."""
        self._views.clear()
        self._entrance = self._followed.now()
        self._hands.know(self._entrance.regions)
        self._minder.mind(self._entrance)
        return any(self._guarded(view) for view in self._views)

    def _guarded(self, view: View) -> bool:
        try:
            return bool(view.course.number) and self._go_on(view)
        except Busy as error:
            self._say(str(error))  # another controller is at it just now, or a person has ordered something
        except DuError as error:
            self._say(str(error), loud=True)
        except Exception as error:
            self._say(f"unforeseen: {type(error).__name__}: {error}", loud=True)
        return False

    def _go_on(self, view: View) -> bool:
        course, service = view.course, self._order.service
        pins = course.pins.get(service, {})
        runs = [name for name in self._entrance.regions if name in pins]
        rules = held_to(course, rules_of(self._entrance.spec, runs, view.settings.settle))
        if course.service == service:
            self._forward(view, rules)
            return False
        if course.back == service:
            return self._back(view, rules)
        return not self._hands.at_work

    def _forward(self, view: View, rules: Rules) -> None:
        course = view.course
        origin = self._entrance.store.traffic.course(self._entrance.name, course.origin) or course
        sight = self._sight(view)
        turn = advance(course, origin, sight, rules, view.progress, view.now)
        if view.settings.freeze and turn.kind != "back":
            self._say("guard freeze: nothing may be changed")
            return
        if turn.kind != "back":
            self._bring(due(course, sight, rules, view.now), course)
        if turn.kind == "done" and (late := self._late(course, sight)):
            self._bring(late, course)
            self._say(f"{', '.join(late)}: drained, and gets the release at the end")
            return
        if turn.progress != view.progress:
            self._entrance.store.traffic.progressed(self._entrance.name, turn.progress)
        if turn.course is None:
            self._say(turn.why)
        else:
            self._take(turn, turn.course)

    def _take(self, turn: Turn, course: Course) -> None:
        why = f"went back: {turn.why}" if turn.kind == "back" else turn.why
        keep(self._entrance, course, why)
        self._hands.forget_troubles()
        self.steps.append(why)
        self._report(Event("warning" if turn.kind == "back" else "changed", STAGE, why))

    def _back(self, view: View, rules: Rules) -> bool:
        course = view.course
        off = due(course, self._sight(view), rules, view.now)
        self.went_back = self.went_back or course.why
        self._hands.turn_back()
        self._bring(off, course)
        if off or self._hands.at_work:
            self._say(f"{', '.join(off) or 'regions'}: back to the release of before")
            return False
        if share_of(view.plan.memory.base) != share_of(view.settings.numbers(view.aim.wanted())):
            self._say("the shares go back to those of before")
            return False
        keep(self._entrance, settled(course), f"{course.back} is back everywhere")
        return True

    def _bring(self, names: tuple[str, ...], course: Course) -> None:
        """Forward one region at a time: a wave is stopped by its first; back all at once."""
        orders = {name: self._ordered(course, name) for name in names if name in self._entrance.regions}
        troubled = self._hands.troubles if not course.back else ()
        self._hands.bring(
            {name: order for name, order in orders.items() if name not in troubled}, one_by_one=not course.back
        )

    def _ordered(self, course: Course, region: str) -> Order:
        return replace(self._order, release=course.pinned(self._order.service, region), back=bool(course.back))

    def _late(self, course: Course, sight: Sight) -> tuple[str, ...]:
        pins = course.pins[course.service]
        off = [name for name in course.drained if sight.runs.get(name) != pins.get(name) or name in sight.open]
        return tuple(name for name in off if pins.get(name) and name not in sight.failed)

    def _sight(self, view: View) -> Sight:
        memory, service = view.plan.memory, self._order.service
        runs, shares, failed = view.runs.get(service, {}), memory.record.shares(), self._failures(view.course)
        begun = self._entrance.store.rollouts.open_of(service) & self._entrance.regions.keys()
        return Sight(service, view.standings, runs, shares, memory.changed, view.counted, failed, begun)

    def _failures(self, course: Course) -> dict[str, str]:
        """Where the new release failed, by the regions' own histories, or by what kept us from beginning there."""
        if not course.under_way:
            return {}
        store, found = self._entrance.store.traffic, dict(self._hands.troubles)
        first, origin = (store.course(self._entrance.name, course.origin + more) for more in (1, 0))
        for name, pin in course.pins[course.service].items():
            if first and origin and pin != origin.pinned(course.service, name) and name in self._entrance.regions:
                context, order = self._entrance.regions[name], self._ordered(course, name)
                if why := bring.failed(context, order, first.at):
                    found[name] = why
        return found

    def _tell(self, decision: Decision) -> None:
        """What a pass did, or what it waits for."""
        kind: Kind = "warning" if decision.kind in LOUD else "step"
        self._report(Event(kind, STAGE, f"{decision.kind}: {decision.text}", decision.region))

    def _say(self, words: str, *, loud: bool = False) -> None:
        """Once, but for its numbers of seconds."""
        gist = "".join(one for one in words if not one.isdigit())
        if gist != self._said:
            self._said = gist
            self._report(Event("warning" if loud else "step", STAGE, words))
