"""Hours under generated load, in seconds: the pool follows, and does not flap."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from du_infra.autoscale.simulate import Load, Point, flat, noisy, recorded, run, sine, step, turns
from du_infra.autoscale.state import Metric, Settings
from tests.unit.autoscale.samples import settings

CPU: dict[Metric, float] = {"cpu": 60.0}
P95: dict[Metric, float] = {"p95": 200.0}
RPS: dict[Metric, float] = {"rps": 60.0}
ANY = pytest.mark.parametrize("targets", [CPU, P95, RPS, CPU | P95], ids=["cpu", "p95", "rps", "cpu+p95"])


def sizes(points: list[Point], start: float, end: float) -> set[int]:
    return {point.nodes for point in points if start <= point.when < end}


@ANY
def test_a_step_is_followed_up_and_down_and_nothing_else_moves(targets: dict[Metric, float]) -> None:
    points = run(step(50, 350, 600, 3000), settings(targets=targets), seconds=6000)
    assert sizes(points, 0, 600) == {1}
    assert min(sizes(points, 1200, 3000)) >= 5
    assert max(point.p95 for point in points if 1300 < point.when < 3000) < 200
    assert points[-1].nodes == 1
    assert turns([p for p in points if p.when < 2900]) <= 1
    assert turns(points) <= 3


@ANY
def test_a_slow_wave_is_ridden_without_losing_a_request(targets: dict[Metric, float]) -> None:
    points = run(sine(40, 400, 3600), settings(targets=targets), seconds=10_800)
    assert sum(point.lost for point in points) == 0
    assert turns(points) <= 6  # up and down in each of three waves
    assert max(point.nodes for point in points) >= 6


@ANY
def test_a_quick_wave_is_not_followed_down(targets: dict[Metric, float]) -> None:
    points = run(sine(40, 400, 600), settings(targets=targets), seconds=10_800)
    later = [point for point in points if point.when > 3600]
    assert max(point.p95 for point in later) < 700
    assert turns(later) <= 8  # 24 waves came and went


@ANY
def test_a_spike_of_a_minute_costs_one_node_for_a_while(targets: dict[Metric, float]) -> None:
    points = run(step(50, 300, 900, 960), settings(targets=targets), seconds=3600)
    assert max(point.nodes for point in points) <= 2
    assert points[-1].nodes == 1
    assert turns(points) <= 1


@ANY
def test_a_patient_region_sits_a_spike_out(targets: dict[Metric, float]) -> None:
    points = run(step(50, 300, 900, 960), settings(targets=targets, up_after=300.0), seconds=3600)
    assert sizes(points, 0, 3600) == {1}


@ANY
def test_noise_alone_moves_nothing_for_long(targets: dict[Metric, float]) -> None:
    points = run(noisy(flat(180), 0.3), settings(targets=targets), seconds=10_800, nodes=4)
    assert turns(points) <= 1
    assert sizes(points, 0, 10_800) <= {3, 4}


def test_recorded_load_is_played_as_it_was() -> None:
    load = recorded([(0, 10), (600, 150), (1200, 20)])
    assert [load(now) for now in (0, 599, 600, 5000)] == [10, 10, 150, 20]
    points = run(load, settings(), seconds=3600)
    assert max(point.nodes for point in points) >= 2
    assert points[-1].nodes == 1


def test_a_long_day_is_simulated_in_seconds() -> None:
    import time

    began = time.process_time()
    run(noisy(sine(40, 400, 7200), 0.2), settings(), seconds=6 * 3600, every=15)
    assert time.process_time() - began < 8


@st.composite
def loads(draw: st.DrawFn) -> Load:
    kind = draw(st.sampled_from(["flat", "step", "sine", "walk"]))
    low, high = draw(st.floats(0, 200)), draw(st.floats(0, 800))
    if kind == "flat":
        return flat(high)
    if kind == "step":
        at = draw(st.floats(0, 3000))
        return step(low, high, at, at + draw(st.floats(10, 3000)))
    if kind == "sine":
        return sine(low, high, draw(st.floats(60, 7200)))
    heights = draw(st.lists(st.floats(0, 800), min_size=1, max_size=20))
    return recorded([(300.0 * index, height) for index, height in enumerate(heights)])


@how(max_examples=15, deadline=None)
@given(loads(), st.floats(0, 0.5), st.sampled_from([CPU, P95, RPS, CPU | P95]), st.integers(0, 1000))
def test_under_any_load_bounds_and_cool_down_hold_and_flapping_is_rare(
    load: Load, noise: float, targets: dict[Metric, float], seed: int
) -> None:
    wanted = settings(2, 7, targets)
    points = run(noisy(load, noise, seed), wanted, seconds=5400, every=15)
    assert all(2 <= point.nodes <= 7 for point in points)
    moved = [point.when for before, point in pairwise(points) if before.nodes != point.nodes]
    assert all(b - a >= wanted.cooldown for a, b in pairwise(moved))
    assert turns(points) <= 2 + 5400 / (wanted.down_after + wanted.cooldown)


@how(max_examples=15, deadline=None)
@given(st.floats(0, 700), st.integers(1, 8), st.sampled_from([CPU, P95, RPS, CPU | P95]))
def test_under_the_same_load_the_pool_comes_to_rest(height: float, nodes: int, targets: dict[Metric, float]) -> None:
    wanted: Settings = settings(1, 8, targets)
    points = run(flat(height), wanted, seconds=9000, every=15, nodes=nodes)
    assert turns(points) <= 1
    assert len(sizes(points, 6000, 9000)) == 1
