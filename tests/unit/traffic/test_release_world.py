"""A release through a whole world: observers, votes, planner, DNS, gateways and waves together, pass by pass."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.health.heal import CONTROLLER
from du_infra.health.observers import appoint
from du_infra.health.quorum import Patience, first_standing, judge_regions, vote_of
from du_infra.traffic.aim import Aim, Settings
from du_infra.traffic.course import Course
from du_infra.traffic.memory import Memory
from du_infra.traffic.plan import Facts, plan_traffic
from du_infra.traffic.seen import Seen
from du_infra.traffic.state import Record
from du_infra.traffic.waves import Progress, Rules, Sight, advance, begin, due, expected
from tests.unit.traffic.bed import IDLE, NAME, address

STEP = 2
PATIENCE = Patience(interval=2, down_after=4, hold=10)
SETTINGS = Settings(soak=20, settle=6, per_hour=200, max_shift=50.0)
RULES = Rules((("a",), ("b", "c")), soak=20, settle=6)
CALM = Course({"a": 34, "b": 33, "c": 33}, {"hello": dict.fromkeys("abc", "v1")}, number=1)

Ready = Callable[[str, str, float], bool]
"""Whether a region is ready with a release, so many seconds after it got it."""


class Earth:
    """Three regions with one service each; what is wanted is kept as a store would keep it."""

    def __init__(self, ready: Ready, course: Course = CALM) -> None:
        self.names = sorted(course.weights)
        self.who = appoint(self.names)
        self.ready = ready
        self.courses = {course.number: course}
        self.runs = dict.fromkeys(self.names, ("v1", -1000))
        self.standings = {name: first_standing(True, 0) for name in self.names}
        self.record: Record | None = None
        self.memory: Memory | None = None
        self.progress = Progress()
        self.now = 0
        self.log: list[str] = []

    @property
    def course(self) -> Course:
        return self.courses[max(self.courses)]

    def set(self, course: Course) -> None:
        number = max(self.courses) + 1
        assert course.previous == number - 1
        self.courses[number] = replace(course, number=number)

    def turn(self) -> None:
        self.observe()
        self.steer()
        self.tell_dns()
        self.now += STEP

    def observe(self) -> None:
        origin = self.courses.get(self.course.origin, self.course)
        votes = {}
        for name in self.names:
            release, since = self.runs[name]
            body = {"ready": self.ready(name, release, self.now - since), "releases": {"hello": {"release": release}}}
            wanted = expected(self.course, origin, name, RULES)
            votes[name] = {one: vote_of(self.now, body, wanted) for one in self.who[name]}
        self.standings = judge_regions(self.standings, votes, self.who, PATIENCE, self.now)

    def seen(self) -> Seen | None:
        """What the gateways counted since caches were clear; a hundred requests a second."""
        if self.memory is None or self.record is None:
            return None
        since = self.memory.changed + SETTINGS.settle
        total = 100 * (self.now - since)
        counts = {name: round(share * total) for name, share in self.record.shares().items()}
        return Seen(since, counts) if total > 0 else None

    def steer(self) -> None:
        if self.record is None or self.memory is None:
            return
        runs = {name: self.runs[name][0] for name in self.names}
        sight = Sight("hello", self.standings, runs, self.record.shares(), self.memory.changed, self.seen())
        for name in due(self.course, sight, RULES, self.now):
            self.runs[name] = (self.course.pinned("hello", name), self.now)
        if self.course.under_way:
            origin = self.courses[self.course.origin]
            turn = advance(self.course, origin, sight, RULES, self.progress, self.now)
            self.progress = turn.progress
            if turn.course:
                self.log.append(f"{turn.kind}: {turn.why}")
                self.set(turn.course)

    def tell_dns(self) -> None:
        course = self.course
        places = {name: address(name) for name in self.names}
        aim = Aim(NAME, 1, course.weights, places, frozenset(course.drained))
        facts = Facts(self.record, self.standings, dict.fromkeys(self.names, IDLE), self.seen())
        plan = plan_traffic(aim, facts, self.memory, SETTINGS, self.now)
        self.memory = plan.memory
        if plan.record is not None:
            self.record = plan.record
            assert list(plan.record.live())

    def run(self, seconds: int) -> None:
        for _ in range(seconds // STEP):
            self.turn()


def test_a_good_release_goes_through_every_wave_and_share() -> None:
    earth = Earth(lambda name, release, age: True)
    earth.run(60)
    earth.set(begin(earth.course, "hello", "v2", RULES))
    earth.run(900)
    assert earth.log == [
        "advance: wave 1 of 2 at 25 % of the answers",
        "advance: wave 1 of 2 at 34 % of the answers",
        "advance: wave 2 of 2 at 5 % of the answers",
        "advance: wave 2 of 2 at 25 % of the answers",
        "advance: wave 2 of 2 at 50 % of the answers",
        "advance: wave 2 of 2 at 66 % of the answers",
        "done: hello serves in every wave",
    ]
    assert {release for release, _ in earth.runs.values()} == {"v2"}
    assert earth.record is not None
    assert {name: one.weight for name, one in earth.record.endpoints.items() if one.up} == CALM.weights


def test_a_bad_release_is_stopped_in_the_first_wave_and_everything_is_as_before() -> None:
    earth = Earth(lambda name, release, age: release == "v1" or age < 15)
    earth.run(60)
    earth.set(begin(earth.course, "hello", "v2", RULES))
    got: set[str] = set()
    for _ in range(300):
        earth.turn()
        got |= {name for name, (release, _) in earth.runs.items() if release == "v2"}
    assert got == {"a"}
    assert len(earth.log) == 1
    assert earth.log[0].startswith("back: a went down with v2: down by 3 of 3 (du-infra: not ready")
    assert {release for release, _ in earth.runs.values()} == {"v1"}
    assert earth.record is not None
    assert {name: one.weight for name, one in earth.record.endpoints.items() if one.up} == CALM.weights


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.booleans())
def test_whatever_the_weather_a_release_ends_everywhere_or_nowhere(seed: int, good: bool) -> None:
    dice = random.Random(seed)
    sick: dict[str, float] = {}
    earth = Earth(lambda name, release, age: sick.get(name, 0) <= earth.now and (good or release == "v1" or age < 15))
    earth.run(40)
    earth.set(begin(earth.course, "hello", "v2", RULES))
    for _ in range(400):
        if dice.random() < 0.01:
            sick[dice.choice(earth.names)] = earth.now + dice.choice([2, 6, 40])
        earth.turn()
    sick.clear()
    earth.run(2500)
    assert not earth.course.under_way
    assert len({release for release, _ in earth.runs.values()}) == 1
    assert good or earth.runs["a"][0] == "v1"
    assert earth.record is not None
    assert {name: one.weight for name, one in earth.record.endpoints.items() if one.up} == CALM.weights
    assert CONTROLLER in earth.who["a"]
