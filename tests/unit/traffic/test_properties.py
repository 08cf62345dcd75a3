"""What the planner of the world's entrance promises holds whatever is asked, seen and remembered."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.health.state import Standing
from du_infra.traffic.aim import Settings
from du_infra.traffic.answers import moved
from du_infra.traffic.capacity import Demand, Load
from du_infra.traffic.check import fits
from du_infra.traffic.failover import give_out
from du_infra.traffic.guard import Budget, Change
from du_infra.traffic.memory import Memory
from du_infra.traffic.plan import Facts, Plan, plan_traffic
from du_infra.traffic.ramp import next_step
from du_infra.traffic.seen import Seen
from du_infra.traffic.shares import share_of, spread, whole
from du_infra.traffic.state import Capabilities, Record
from tests.unit.traffic.bed import DOWN, NAME, UNSURE, UP, World, aim, record

CHECK = settings(max_examples=150, deadline=None)
RUNS = settings(max_examples=15, deadline=None)
NAMES = ["a", "b", "c", "d", "e"]
NOW = 10_000.0
LEANING = Standing("up", 0.0, leaning=NOW - 1, known=True)
RANKS = [DOWN, UNSURE, LEANING, UP]
"""From worst to best; a doubt (nobody knows, or somebody says otherwise) is worse than none."""

weights = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 100), min_size=1).filter(
    lambda made: any(made.values())
)
healths = st.fixed_dictionaries({name: st.sampled_from(RANKS) for name in NAMES})
loads = st.dictionaries(
    st.sampled_from(NAMES), st.builds(Load, st.floats(0, 1000), st.floats(0, 50), st.sampled_from([1.0, 4.0, 40.0]))
)
demands = st.none() | st.builds(Demand, st.floats(0, 5000), st.floats(0, 100))
asked = st.builds(
    Settings,
    steps=st.sampled_from([(), (0.05, 0.25, 0.5, 1.0), (0.1,)]),
    soak=st.sampled_from([0.0, 300.0]),
    min_requests=st.sampled_from([0, 100]),
    min_regions=st.integers(1, 4),
    max_shift=st.sampled_from([0.01, 0.3, 1.0]),
    per_hour=st.sampled_from([2, 30]),
    freeze=st.sampled_from([False, False, False, True]),
    capacity=st.dictionaries(st.sampled_from(NAMES), st.floats(1, 1000), max_size=2),
)
changes = st.lists(st.builds(Change, st.floats(NOW - 4000, NOW), st.booleans(), st.floats(0, 0.5)), max_size=4).map(
    tuple
)
counts = st.none() | st.builds(Seen, st.just(NOW), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 1000)))


@st.composite
def memories(draw: st.DrawFn) -> Memory:
    """What the planner itself could have left: weights by plan, who was up then, and the record that came of it."""
    base = whole(draw(weights))
    up = draw(st.sets(st.sampled_from(NAMES)))
    rooms = draw(st.dictionaries(st.sampled_from(NAMES), st.floats(0, 2)))
    given_ = give_out(base, up, draw(st.integers(1, 3)), rooms)
    made = record(base)
    ends = {name: replace(one, weight=given_.weights[name], up=given_.up(name)) for name, one in made.endpoints.items()}
    return Memory(
        base, replace(made, endpoints=ends), draw(st.floats(NOW - 600, NOW)), given_.out, given_.mode,
        draw(changes), draw(demands), draw(st.booleans()),
    )  # fmt: skip


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Mapping[str, int], Memory | None, Facts, Settings, frozenset[str]]:
    memory = draw(st.none() | memories())
    there = memory.record if memory and draw(st.booleans()) else draw(st.none() | weights.map(record))
    facts = Facts(there, draw(healths), draw(loads), draw(counts))
    drained = draw(st.frozensets(st.sampled_from(NAMES), max_size=3))
    return draw(weights), memory, facts, draw(asked), drained


def decide(
    scene: tuple[Mapping[str, int], Memory | None, Facts, Settings, frozenset[str]], facts: Facts | None = None
) -> Plan:
    wanted, memory, seen, rules, drained = scene
    return plan_traffic(aim(wanted, drained), facts or seen, memory, rules, NOW)


def answered(plan: Plan, facts: Facts) -> Record | None:
    return plan.record if plan.record is not None else facts.record


@CHECK
@given(scenes())
def test_weights_are_whole_numbers_and_shares_of_live_regions_add_up(scene: object) -> None:
    plan = decide(scene)  # type: ignore[arg-type]
    decided = plan.memory.record
    assert all(isinstance(one.weight, int) and 0 <= one.weight <= 100 for one in decided.endpoints.values())
    if decided.endpoints:
        assert abs(sum(decided.shares().values()) - 1) < 1e-9
        assert sum(plan.memory.base.values()) == 100


@CHECK
@given(scenes())
def test_an_answer_is_never_empty_and_never_below_the_minimum(scene: object) -> None:
    _, memory, _, rules, _ = scene  # type: ignore[misc]
    plan = decide(scene)  # type: ignore[arg-type]
    if plan.record is None:
        return
    live = list(plan.record.live())
    assert live
    spent = any("nothing is changed" in note for note in plan.notes)
    weighted = sum(1 for weight in plan.memory.base.values() if weight)
    before = sum(1 for _ in memory.record.live()) if memory else 0
    assert len(live) >= (before if spent else min(rules.min_regions, weighted))


@CHECK
@given(scenes(), st.sampled_from(NAMES), st.integers(0, 3), st.integers(0, 3))
def test_a_region_whose_health_is_worse_never_gets_more(scene: object, name: str, one: int, other: int) -> None:
    facts: Facts = scene[2]  # type: ignore[index]
    good, bad = max(one, other), min(one, other)
    better, worse = (replace(facts, health={**facts.health, name: RANKS[rank]}) for rank in (good, bad))
    high, low = (decide(scene, seen).memory.record.shares().get(name, 0.0) for seen in (better, worse))  # type: ignore[arg-type]
    assert low <= high + 1e-9


@CHECK
@given(scenes())
def test_frozen_means_nothing_is_written_and_budgets_hold(scene: object) -> None:
    _, memory, facts, rules, _ = scene  # type: ignore[misc]
    plan = decide(scene)  # type: ignore[arg-type]
    if rules.freeze and facts.record is not None:
        assert plan.record is None
        return
    if memory is None or not memory.record.endpoints:
        return
    lately = Budget(memory.changes, rules, NOW).changes
    new = plan.memory.changes[len(lately) :]
    assert len(new) <= 1
    for change in new:
        answered_up = any(facts.health[name].up for name in memory.record.live())
        assert len(lately) < rules.per_hour or not answered_up
        if change.planned:
            assert len(lately) < rules.per_hour / 2
            spent = sum(before.moved for before in lately if before.planned)
            assert change.moved + spent <= rules.max_shift + 1e-6


@CHECK
@given(memories(), asked, st.integers(0, 100), weights)
def test_when_all_who_have_a_weight_die_a_newcomer_serves_whatever_share_he_is_to_have(
    memory: Memory, rules: Settings, share: int, wanted: dict[str, int]
) -> None:
    facts = Facts(memory.record, {**dict.fromkeys(NAMES, DOWN), "new": UP})
    plan = plan_traffic(aim({**wanted, "new": share}), facts, memory, replace(rules, freeze=False), NOW)
    assert "new" in plan.memory.record.live()


@CHECK
@given(scenes())
def test_by_plan_only_who_is_up_for_sure_gets_more_and_one_that_is_up_is_drained(scene: object) -> None:
    memory: Memory | None = scene[1]  # type: ignore[index]
    facts: Facts = scene[2]  # type: ignore[index]
    plan = decide(scene)  # type: ignore[arg-type]
    if memory is None or plan.memory.base == memory.base:
        return
    old, new = share_of(memory.base), share_of(plan.memory.base)
    assert all(facts.health[name].surely_up for name in new if new[name] > old.get(name, 0.0) + 1e-9)
    drained = [name for name in new if old.get(name) and not new[name] and facts.health[name].up]
    assert len(drained) <= 1


@CHECK
@given(
    weights,
    st.sets(st.sampled_from(NAMES)),
    st.integers(1, 4),
    st.dictionaries(st.sampled_from(NAMES), st.floats(0, 2)),
)
def test_a_dead_ones_share_goes_only_where_there_is_room(
    asked_: dict[str, int], up: set[str], least: int, rooms: dict[str, float]
) -> None:
    base = whole(asked_)
    found = give_out(base, up, least, rooms)
    total = sum(base.values())
    given_ = {name: weight for name, weight in found.weights.items() if found.up(name)}
    assert sum(given_.values()) > 0
    for name, weight in given_.items():
        share = weight / sum(given_.values())
        if name in up:
            assert share >= base[name] / total - 1e-9
            if found.mode == "fail-over" and base[name]:
                assert share <= max(base[name] / total, rooms.get(name, 1.0)) + 1e-9
        elif found.mode == "fail-over" and name not in found.kept:
            assert share <= base[name] / total + 1e-9


@CHECK
@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1e6), max_size=30))
def test_whole_numbers_keep_shares(parts: dict[str, float]) -> None:
    found, some = whole(parts), {name for name, part in parts.items() if part > 0}
    assert found.keys() == parts.keys()
    assert {name for name, weight in found.items() if weight} == some
    assert all(0 <= weight <= 100 for weight in found.values())
    if 0 < len(some) <= 20:
        assert sum(found.values()) == 100
        assert whole(found) == found


@CHECK
@given(st.integers(0, 10**6), st.dictionaries(st.sampled_from(NAMES), st.integers(0, 10**6), min_size=1))
def test_what_is_spread_is_neither_lost_nor_more_than_a_part(amount: int, parts: dict[str, int]) -> None:
    total = sum(parts.values())
    if total:
        found = spread(amount, parts)
        assert sum(found.values()) == amount
        assert all(amount * part // total <= found[name] <= -(-amount * part // total) for name, part in parts.items())


@CHECK
@given(weights, weights, healths, st.dictionaries(st.sampled_from(NAMES), st.floats(0, 2)), asked)
def test_a_step_never_overshoots_and_ends_where_it_should(
    now: dict[str, int], goal: dict[str, int], health: dict[str, Standing], rooms: dict[str, float], rules: Settings
) -> None:
    names = {*now, *goal}
    base, wanted = ({name: made.get(name, 0) for name in sorted(names)} for made in (whole(now), whole(goal)))
    step = next_step(base, wanted, health, rooms, rules, Budget((), rules, NOW))
    if step.base is None:
        return
    assert sum(step.base.values()) == 100
    assert moved(record(base), record(step.base)) <= rules.max_shift + 1e-6
    for name in names:
        low, high = sorted((base[name], wanted[name]))
        assert low <= step.base[name] <= high
        if step.base[name] > base[name]:
            assert step.base[name] / 100 <= rooms[name] + 1e-6
    assert step.base != base


@CHECK
@given(scenes())
def test_a_backend_takes_whatever_is_planned(scene: object) -> None:
    plan = decide(scene)  # type: ignore[arg-type]
    if plan.record is not None:
        able = Capabilities(weights=True, health=False, atomic=True)
        fits(plan.record, able, name=NAME, backend="gdnsd", most=64)


@RUNS
@given(st.integers(0, 2**32), weights, weights)
def test_a_backend_without_weights_takes_whatever_is_planned(
    seed: int, first: dict[str, int], then: dict[str, int]
) -> None:
    able = Capabilities(weights=False, health=False, atomic=True)
    asked_ = {name: int(first.get(name, 0) > 0) for name in NAMES}
    world = World(asked_, Settings(steps=(), min_requests=0, soak=20, weighted=False))
    weather = Weather(seed, NAMES)
    for step in range(200):
        weather.blow()
        world.health = dict(weather.health)
        if step == 50:
            world.aim = aim({name: int(then.get(name, 0) > 0) for name in NAMES})
        world.turn(10.0)
        assert world.record is not None
        fits(world.record, able, name=NAME, backend="hetzner", most=50)


class Weather:
    """Health of regions over hours: they die, are doubted and come back; then it settles."""

    def __init__(self, seed: int, names: list[str]) -> None:
        self._dice = random.Random(seed)
        self.health = dict.fromkeys(names, UP)

    def blow(self) -> None:
        for name in self.health:
            if self._dice.random() < 0.02:
                self.health[name] = self._dice.choice([UP, UP, UNSURE, DOWN])

    def settle(self) -> None:
        for name in self.health:
            self.health[name] = UP if self._dice.random() < 0.7 else DOWN
        self.health[self._dice.choice(sorted(self.health))] = UP


@RUNS
@given(st.integers(0, 2**32), weights, weights, st.integers(1, 3), st.sampled_from([0.3, 1.0]))
def test_every_plan_ends_when_health_settles_and_nothing_flaps_after_that(
    seed: int, first: dict[str, int], then: dict[str, int], least: int, max_shift: float
) -> None:
    least = min(least, sum(1 for weight in then.values() if weight))  # as fleet.yaml is checked for
    rules = Settings(min_requests=100, min_regions=least, max_shift=max_shift, soak=60)
    world = World({name: first.get(name, 0) for name in NAMES}, rules)
    weather = Weather(seed, NAMES)
    world.turn()
    world.aim = aim({name: then.get(name, 0) for name in NAMES})
    for minute in range(240):
        if minute < 60:
            weather.blow()
        elif minute == 60:
            weather.settle()
        world.health = dict(weather.health)
        assert world.record is not None
        world.see(world.record.shares())
        plan = world.turn(20.0)
        weighted = sum(1 for weight in plan.memory.base.values() if weight)
        assert sum(1 for _ in world.record.live()) >= min(least, weighted)
        world.now += 100
    last = [at for at, _ in world.written if at > world.now - 3600]
    assert last == []
    world.health = dict.fromkeys(NAMES, UP)
    for _ in range(400):
        assert world.record is not None
        world.see(world.record.shares())
        world.turn(100.0)
    assert world.memory is not None
    assert world.memory.base == whole(world.aim.wanted())
    assert world.answers() == {name: weight for name, weight in world.memory.base.items() if weight}
