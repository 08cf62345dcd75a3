"""What holds for every history."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import settings as how
from hypothesis import strategies as st

from du_infra.autoscale.advice import knows_all
from du_infra.autoscale.plan import plan
from du_infra.autoscale.state import Change, Metric, Sample, Settings, State
from tests.unit.autoscale.samples import NOW

PERCENT = st.none() | st.floats(0, 100)
TARGETS: st.SearchStrategy[dict[Metric, float]] = st.fixed_dictionaries(
    {},
    optional={
        "cpu": st.floats(1, 100),
        "memory": st.floats(1, 100),
        "pressure": st.floats(1, 100),
        "rps": st.floats(0.1, 1000),
        "p95": st.floats(1, 5000),
    },
).filter(bool)  # type: ignore[assignment]


@st.composite
def asked(draw: st.DrawFn) -> Settings:
    least = draw(st.integers(1, 10))
    most = draw(st.integers(least, 20))
    seconds = st.sampled_from([0.0, 10.0, 60.0, 120.0, 300.0])
    times = (draw(seconds), draw(seconds), draw(seconds))
    return Settings(least, most, draw(TARGETS), *times, draw(st.floats(0, 0.5)))


@st.composite
def samples(draw: st.DrawFn, nodes: int) -> list[Sample]:
    """Of the last minutes, with gaps, silent nodes and unknown measures."""
    ages = sorted(draw(st.lists(st.floats(0, 600), max_size=20)), reverse=True)
    return [
        Sample(
            NOW - age,
            nodes,
            draw(st.integers(0, nodes)) if draw(st.booleans()) else 0,
            draw(PERCENT),
            draw(PERCENT),
            draw(PERCENT),
            draw(st.none() | st.floats(0, 2000)),
            draw(st.none() | st.floats(0, 20_000)),
        )
        for age in ages
    ]


@st.composite
def changes(draw: st.DrawFn) -> tuple[Change, ...]:
    ages = sorted(draw(st.lists(st.floats(-100, 5000), max_size=6)), reverse=True)
    return tuple(Change(NOW - age, draw(st.integers(1, 9)), draw(st.integers(1, 9))) for age in ages)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Settings, list[Sample], State]:
    wanted = draw(asked())
    nodes = draw(st.integers(wanted.least, wanted.most))
    return wanted, draw(samples(nodes)), State(nodes, nodes, draw(changes()))


@how(max_examples=150, deadline=None)
@given(worlds())
def test_the_number_stays_in_bounds_and_moves_in_steps_and_is_explained(
    world: tuple[Settings, list[Sample], State],
) -> None:
    wanted, told, state = world
    found = plan(wanted, told, NOW, state)
    assert wanted.least <= found.want <= wanted.most
    assert found.nodes - max(1, found.nodes // 4) <= found.want <= 2 * found.nodes
    assert found.nodes == state.nodes
    assert found.why


@how(max_examples=150, deadline=None)
@given(worlds(), st.floats(0, 1))
def test_nothing_changes_during_the_cool_down(world: tuple[Settings, list[Sample], State], share: float) -> None:
    wanted, told, state = world
    cooling = replace(wanted, cooldown=60.0)
    just_now = Change(NOW - share * 59, state.nodes - 1, state.nodes)
    assert not plan(cooling, told, NOW, replace(state, changes=(*state.changes, just_now))).changes


@how(max_examples=150, deadline=None)
@given(worlds())
def test_nodes_go_only_where_all_is_known_for_long_enough(world: tuple[Settings, list[Sample], State]) -> None:
    wanted, told, state = world
    found = plan(wanted, told, NOW, state)
    if found.want < found.nodes:
        assert NOW - told[-1].when <= 90
        start = told[-1].when - wanted.down_after
        assert all(knows_all(sample, wanted) for sample in told if sample.when > start)
        covered = {second for s in told for second in range(int(s.when - 60), int(s.when) + 1)}
        assert sum(second in covered for second in range(int(start), int(told[-1].when))) >= 0.9 * wanted.down_after - 2


@how(max_examples=100, deadline=None)
@given(worlds(), st.floats(91, 1e6))
def test_stale_measures_change_nothing(world: tuple[Settings, list[Sample], State], age: float) -> None:
    wanted, told, state = world
    assert not plan(wanted, told, NOW + age, state).changes


@how(max_examples=100, deadline=None)
@given(worlds(), st.integers(0, 19))
def test_a_measure_that_gets_lost_never_takes_a_node_away(
    world: tuple[Settings, list[Sample], State], which: int
) -> None:
    wanted, told, state = world
    assume(told)
    place = which % len(told)
    lost = Sample(told[place].when, told[place].nodes, silent=told[place].nodes)
    found = plan(wanted, [*told[:place], lost, *told[place + 1 :]], NOW, state)
    assert found.want >= state.nodes or lost.when <= told[-1].when - wanted.down_after


@how(max_examples=150, deadline=None)
@given(worlds(), st.floats(1, 5))
def test_more_load_never_asks_for_fewer_nodes(world: tuple[Settings, list[Sample], State], times: float) -> None:
    wanted, told, state = world

    def more(value: float | None) -> float | None:
        return None if value is None else value * times

    loaded = [
        replace(s, cpu=more(s.cpu), memory=more(s.memory), pressure=more(s.pressure), rps=more(s.rps), p95=more(s.p95))
        for s in told
    ]
    assert plan(wanted, loaded, NOW, state).want >= plan(wanted, told, NOW, state).want


@how(max_examples=100, deadline=None)
@given(worlds())
def test_the_same_is_decided_twice(world: tuple[Settings, list[Sample], State]) -> None:
    wanted, told, state = world
    assert plan(wanted, told, NOW, state) == plan(wanted, told, NOW, state)
