"""A release goes from wave to wave, or back everywhere; a person's orders are courses, too."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.errors import Refused, SpecError
from du_infra.health.state import Standing
from du_infra.spec import TrafficSpec
from du_infra.traffic.course import (
    Course,
    course_from,
    drain,
    first_course,
    follow,
    pin,
    revert,
    settled,
    shift,
    undrain,
)
from du_infra.traffic.seen import Seen
from du_infra.traffic.shares import share_of, whole
from du_infra.traffic.waves import Progress, Rules, Sight, Turn, advance, begin, due, expected, percent_of, rules_of
from tests.unit.traffic.bed import DOWN, UNSURE, UP

OLD = {"hello": {"a": "v1", "b": "v1", "c": "v1"}}
CALM = Course({"a": 34, "b": 33, "c": 33}, OLD, number=7)
RULES = Rules((("a",), ("b", "c")), soak=60, settle=35)


class World:
    """DNS and gateways that do what the course says; a region runs its pin as soon as it is due."""

    def __init__(self, course: Course = CALM, rules: Rules = RULES) -> None:
        self.origin, self.rules, self.now, self.number = course, rules, 1000.0, course.number
        self.progress = Progress()
        self.courses: list[Course] = []
        self.runs = dict(course.pins["hello"])
        self.health: dict[str, Standing] = dict.fromkeys(course.weights, UP)
        self.failed: dict[str, str] = {}
        self.obeys = True
        self.take(begin(course, "hello", "v2", rules))

    def take(self, course: Course) -> None:
        self.number += 1
        self.course = replace(course, number=self.number)
        self.courses.append(self.course)
        self.changed = self.now

    def sight(self) -> Sight:
        shares = share_of(whole(self.course.goal(self.course.weights)))
        counts = {name: round(1000 * share) for name, share in shares.items()} if self.obeys else {}
        seen = Seen(self.changed + self.rules.settle, counts)
        return Sight("hello", self.health, self.runs, shares, self.changed, seen, self.failed)

    def turn(self) -> Turn:
        for name in due(self.course, self.sight(), self.rules, self.now):
            self.runs[name] = self.course.pinned("hello", name)
        turn = advance(self.course, self.origin, self.sight(), self.rules, self.progress, self.now)
        self.progress = turn.progress
        if turn.course:
            self.take(turn.course)
        self.now += 10
        return turn

    def run(self) -> Turn:
        for _ in range(500):
            turn = self.turn()
            if turn.kind in ("done", "back"):
                return turn
        raise AssertionError(turn)


def test_it_goes_wave_by_wave_and_share_by_share() -> None:
    world = World()
    assert world.run().why == "hello serves in every wave"
    told = [(one.service, one.wave, percent_of(one, RULES), dict(one.weights)) for one in world.courses]
    assert told == [
        ("hello", 0, 5, {"a": 5, "b": 48, "c": 47}),
        ("hello", 0, 25, {"a": 25, "b": 38, "c": 37}),
        ("hello", 0, 34, {"a": 34, "b": 33, "c": 33}),
        ("hello", 1, 5, {"b": 3, "c": 2, "a": 95}),
        ("hello", 1, 25, {"b": 13, "c": 12, "a": 75}),
        ("hello", 1, 50, {"b": 25, "c": 25, "a": 50}),
        ("hello", 1, 66, {"a": 34, "b": 33, "c": 33}),
        ("", 0, 34, {"a": 34, "b": 33, "c": 33}),
    ]
    assert [one.pins["hello"]["b"] for one in world.courses] == ["v1"] * 3 + ["v2"] * 5
    assert [one.previous for one in world.courses] == list(range(7, 15))
    assert {one.origin for one in world.courses} == {7, 0}


def test_weights_that_are_no_percent_are_compared_as_dns_has_them() -> None:
    world = World(replace(CALM, weights={"a": 1, "b": 1, "c": 1}))
    assert world.run().kind == "done"
    assert world.course.weights == {"a": 1, "b": 1, "c": 1}


def test_one_wave_with_everybody_is_one_course() -> None:
    world = World(rules=replace(RULES, waves=(("a", "b", "c"),)))
    world.run()
    assert [dict(one.weights) for one in world.courses] == [CALM.weights] * 2


def test_a_bad_version_goes_back_in_the_first_wave_and_the_second_never_hears_of_it() -> None:
    world = World()
    while world.course.step < 1:
        world.turn()
    world.failed = {"a": "7 % of its answers were errors"}
    turn = world.turn()
    assert (turn.kind, turn.why) == ("back", "hello failed in a: 7 % of its answers were errors")
    assert (world.course.pins, world.course.weights, world.course.under_way) == (OLD, CALM.weights, False)
    assert world.course.previous == 9
    assert due(world.course, world.sight(), RULES, world.now) == ("a",)
    assert {one.pinned("hello", "b") for one in world.courses} == {"v1"}


def test_a_region_that_goes_down_with_the_new_release_takes_it_back() -> None:
    world = World()
    while "a" not in world.progress.ran:
        world.turn()
    world.health["a"], world.runs["a"] = DOWN, ""
    turn = world.turn()
    assert (turn.kind, turn.why) == ("back", f"a went down with v2: {DOWN.why}")


def test_a_region_that_was_down_before_is_waited_for() -> None:
    world = World()
    world.health["a"] = DOWN
    assert world.turn().why == "a runs v1, not v2"
    world.now += 40
    world.runs["a"] = "v1"
    world.changed = world.now
    assert (world.turn().kind, world.course.step) == ("wait", 0)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"health": {"a": UNSURE}}, "a is not up for sure: no majority"),
        ({"health": {}}, "a is not up for sure: nobody observes it"),
        ({"runs": {"a": ""}}, "a runs nothing, not v2"),
        ({"shares": {"a": 0.34, "b": 0.33, "c": 0.33}}, "DNS does not give a its share yet"),
        ({"seen": None}, "the gateways' counts since then are not known yet"),
        ({"seen": Seen(1035, {"a": 90, "b": 460, "c": 450})}, "a gets 9 % of 1000 requests, and is told 5 %"),
    ],
)
def test_what_is_not_as_the_course_says_is_waited_for_and_soaks_anew(change: dict[str, object], why: str) -> None:
    world = World()
    world.runs["a"] = "v2"
    sight = replace(world.sight(), **change)  # type: ignore[arg-type]
    turn = advance(world.course, CALM, sight, RULES, Progress(1000.0, frozenset()), 2000.0)
    assert (turn.kind, turn.why, turn.progress.since, turn.course) == ("wait", why, None, None)


def test_nobody_gets_a_release_before_dns_gives_him_less_and_resolvers_know_it() -> None:
    world = World()
    sight = world.sight()
    assert due(world.course, sight, RULES, world.changed + 34) == ()
    assert due(world.course, sight, RULES, world.changed + 35) == ("a",)
    assert due(world.course, replace(sight, shares={"a": 0.34, "b": 0.33, "c": 0.33}), RULES, world.changed + 99) == ()


def test_in_the_wave_under_way_the_old_release_may_answer_as_well() -> None:
    course = World().course
    assert expected(course, CALM, "a", RULES) == {"hello": {"v1", "v2"}}
    assert expected(course, CALM, "b", RULES) == {"hello": {"v1"}}
    assert expected(course, Course({"a": 1}), "a", RULES) == {}
    second = replace(course, wave=1, pins={"hello": {"a": "v2", "b": "v2", "c": "v2"}})
    assert expected(second, CALM, "a", RULES) == {"hello": {"v2"}}


def test_on_the_way_back_both_may_answer_but_for_where_it_failed() -> None:
    world = World()
    while world.course.wave < 1:
        world.turn()
    gone = world.course
    back = revert(gone, CALM, ["b"])
    assert [expected(back, back, name, RULES) for name in "abc"] == [
        {"hello": {"v1", "v2"}},
        {"hello": {"v1"}},
        {"hello": {"v1", "v2"}},
    ]
    assert course_from(json.loads(json.dumps(back.to_json()))) == back
    assert expected(settled(back), back, "a", RULES) == {}
    world.failed = {"b": "7 % of its answers were errors"}
    world.run()
    assert world.course.leaving == {"a": "v2", "c": "v2"}


def test_one_that_went_down_with_it_must_be_back_before_it_counts_as_well() -> None:
    world = World()
    while "a" not in world.progress.ran:
        world.turn()
    world.health["a"] = DOWN
    world.run()
    assert world.course.leaving == {}


def test_what_an_earlier_release_left_does_not_count() -> None:
    world = World()
    world.health["a"] = DOWN
    stale = Progress(0.0, frozenset("a"), course=6)
    turn = advance(world.course, CALM, world.sight(), RULES, stale, world.now)
    assert (turn.kind, turn.progress) == ("wait", Progress(None, frozenset(), world.course.number))


def test_a_soak_counts_for_the_course_that_it_was_of_and_who_ran_it_for_all_of_the_release() -> None:
    world = World()
    while world.course.step < 1:
        world.turn()
    world.progress = Progress(0.0, frozenset("a"), world.course.number - 1)
    world.now += 40
    assert world.turn().why == "as it should be for 0 s, soak is 60 s"
    world.health["a"] = DOWN
    turn = world.turn()
    assert (turn.kind, turn.progress.ran) == ("back", {"a"})  # killed before that is kept, the next pass goes back


def test_one_release_at_a_time() -> None:
    with pytest.raises(Refused, match="goes through the world already"):
        begin(pin(World().course, "shop", dict.fromkeys("abc", "v8")), "shop", "v9", RULES)
    with pytest.raises(Refused, match="the shares are what it is judged by"):
        shift(World().course, "a", 50)


def test_a_release_that_has_nothing_to_go_back_to_is_refused() -> None:
    with pytest.raises(Refused, match="no release of shop is pinned in a, b, c"):
        begin(CALM, "shop", "v1", RULES)
    assert pin(CALM, "hello", {"a": "v0"}).pins == {"hello": {"a": "v0", "b": "v1", "c": "v1"}}


def test_waves_are_those_of_the_file_without_regions_that_do_not_run_the_service() -> None:
    spec = TrafficSpec(zone="example.com", record="www", waves=(("a",), ("b",), ("c", "d")), canary=(10,))
    assert rules_of(spec, ["a", "d", "c"], 35) == Rules((("a",), ("c", "d")), (0.1,), 300, 35, 100)
    assert rules_of(TrafficSpec(zone="example.com", record="www"), ["a", "b"], 35).waves == (("a", "b"),)


def test_one_revert_undoes_pin_wave_and_weight_at_once() -> None:
    world = World()
    while world.course.wave < 1:
        world.turn()
    first, last = world.courses[-2], world.courses[-1]
    again = revert(last, first)
    same = ("pins", "wave", "step", "weights", "service", "origin")
    assert all(getattr(again, name) == getattr(first, name) for name in same)
    assert again.previous == last.number
    assert course_from(json.loads(json.dumps(last.to_json()))) == last


def test_a_drained_region_of_a_wave_is_passed_over() -> None:
    world = World(replace(CALM, drained=("b",)))
    world.health["b"] = DOWN
    world.run()
    assert world.courses[4].goal(world.courses[4].weights) == {"b": 0, "c": 5, "a": 95}
    assert world.runs == {"a": "v2", "b": "v1", "c": "v2"}
    assert due(world.course, world.sight(), RULES, world.now) == ("b",)
    assert undrain(world.course, "b").weights == CALM.weights


@pytest.mark.parametrize("step", range(7))
@pytest.mark.parametrize("region", "abc")
def test_a_drain_at_any_step_does_not_hold_it_up_and_costs_nobody_his_weight(step: int, region: str) -> None:
    world = World()
    while len(world.courses) <= step:
        world.turn()
    world.take(drain(world.course, region))
    assert world.run().kind == "done"
    assert (world.course.drained, world.course.weights) == ((region,), CALM.weights)
    assert {world.runs[name] for name in "abc" if name != region} == {"v2"}


def test_who_is_taken_back_on_the_way_gets_the_release_as_well() -> None:
    world = World(replace(CALM, drained=("a",)))
    while world.course.wave < 1:
        world.turn()
    world.take(undrain(world.course, "a"))
    assert world.run().kind == "done"
    assert (world.course.drained, world.course.weights) == ((), CALM.weights)
    assert set(world.runs.values()) == {"v2"}


@pytest.mark.parametrize(("before", "now"), [((), ("c",)), (("b",), ())])
def test_going_back_does_not_undo_what_a_person_drained_since(before: tuple[str, ...], now: tuple[str, ...]) -> None:
    world = World(replace(CALM, drained=before))
    world.take(replace(world.course, drained=now, previous=world.course.number))
    world.failed = {"a": "7 % of its answers were errors"}
    assert world.run().kind == "back"
    assert (world.course.drained, world.course.weights, world.course.pins) == (now, CALM.weights, OLD)


def test_a_shift_leaves_the_others_as_they_were_among_themselves() -> None:
    moved = shift(CALM, "a", 4)
    assert (moved.weights, moved.previous, moved.pins) == ({"a": 4, "b": 48, "c": 48}, 7, OLD)
    assert shift(CALM, "a", 100).weights == {"a": 100, "b": 0, "c": 0}
    assert shift(Course({"a": 100, "b": 0}), "b", 100).weights == {"a": 0, "b": 100}


def test_orders_that_make_no_sense_are_refused() -> None:
    with pytest.raises(SpecError, match="no such region"):
        shift(CALM, "x", 5)
    with pytest.raises(SpecError, match="0 to 100"):
        shift(CALM, "a", 101)
    with pytest.raises(Refused, match="gets everything"):
        shift(Course({"a": 100, "b": 0}), "a", 50)
    with pytest.raises(Refused, match="is drained"):
        shift(drain(CALM, "a"), "a", 50)
    with pytest.raises(Refused, match="nobody would be left"):
        drain(drain(drain(CALM, "a"), "b"), "c")


def test_a_drain_is_taken_back_with_the_weight_of_before() -> None:
    drained = drain(CALM, "a")
    assert (drained.drained, drained.weights) == (("a",), CALM.weights)
    assert undrain(drained, "a").drained == ()


def test_an_order_holds_until_the_file_says_something_else() -> None:
    first = first_course({"a": 1, "b": 1})
    assert (first.weights, first.drained, first.pins) == ({"a": 50, "b": 50}, (), {})
    moved = drain(pin(shift(first, "a", 25), "hello", {"a": "v1", "b": "v1"}), "b")
    assert follow(moved, {"a": 1, "b": 1}) is None
    kept = follow(moved, {"a": 1, "d": 3})
    assert kept is not None
    assert (kept.weights, kept.drained, kept.pins) == ({"a": 25, "d": 75}, (), {"hello": {"a": "v1"}})
    assert follow(kept, {"a": 1, "d": 3}) is None
    assert follow(World().course, {"x": 1}) is None


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 100), min_size=1),
    st.integers(1, 4),
    st.lists(st.sampled_from([0.01, 0.05, 0.25, 0.5, 1.0]), unique=True).map(sorted).map(tuple),
)
def test_every_release_ends_with_all_pinned_and_the_weights_of_before(
    weights: dict[str, int], size: int, shares: tuple[float, ...]
) -> None:
    names = sorted(weights)
    waves = tuple(tuple(names[at : at + size]) for at in range(0, len(names), size))
    rules = Rules(waves, shares, soak=0, settle=0)
    world = World(Course(weights, {"hello": dict.fromkeys(names, "v1")}, number=1), rules)
    assert world.run().kind == "done"
    assert world.course.weights == weights
    assert set(world.course.pins["hello"].values()) == {"v2"}
    for course in world.courses:
        assert sum(course.weights.values()) in (100, sum(weights.values()))
        later = [name for wave in waves[course.wave + 1 :] for name in wave]
        assert not course.under_way or {course.pinned("hello", name) for name in later} <= {"v1"}
