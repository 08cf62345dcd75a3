"""A region gets all requests, step by step: at each step its gateways must count the share that DNS was told."""

from __future__ import annotations

import time

import pytest

import du_infra
from du_infra.traffic.aim import SETTLE_SECONDS
from du_infra.traffic.order import TrafficOrder
from tests.gtm.globe import REGIONS, TTL, Globe, minded

pytestmark = [pytest.mark.lxd, pytest.mark.slow, pytest.mark.timeout(2400)]

ENOUGH = 8000
"""Requests of one step: by chance a half is off by more than two points once in three thousand times."""
STEP_SECONDS = 600
POINTS = 2.0
STEPS = (5, 25, 50, 100)
"""Of the other two one goes to nothing after the other: at 50 the first has nothing, at 100 the second."""


@pytest.fixture(scope="module")
def globe(world: Globe) -> Globe:
    world.settle({"ams": 50, "fra": 50, "nyc": 0})
    world.write("ams: 50, fra: 50, nyc: 0", f"  canary: [5, 25, 50, 100]\n  soak: 10s\n  min_requests: {ENOUGH}\n")
    return world


def test_at_each_step_of_the_canary_the_gateways_see_the_share_within_two_points(globe: Globe) -> None:
    rows: list[tuple[dict[str, float], dict[str, float], int]] = []
    began = time.time()
    with minded(globe) as loop, globe.load(clients=400).running() as load:
        globe.until(lambda: _nyc(globe) == 0 and bool(load.requests), 300, "nyc gets nothing yet")
        time.sleep(15)
        assert loop.said("failed") == []
        du_infra.load(globe.file).traffic.carry_out(TrafficOrder.shift({"nyc": 100}))
        for step in STEPS:
            rows.append(_step(globe, step))
            print(_row(rows[-1]), flush=True)
    failed = [one for one in load.requests if not one.ok]
    print(f"{len(load.answers)} answers, {len(load.wrong)} wrong; {len(load.requests)} requests, {len(failed)} failed")
    for told, seen, _ in rows:
        assert all(abs(seen[name] - told[name]) <= POINTS for name in REGIONS), (told, seen)
    assert load.wrong == []
    assert failed == []
    assert {change.split()[0] for change in globe.changes(began)} <= {"publish", "shift", "drain"}


def _step(globe: Globe, step: int) -> tuple[dict[str, float], dict[str, float], int]:
    """The shares that DNS was told while nyc has so many percent, those that gateways counted, and of how many."""
    globe.until(lambda: _nyc(globe) == step, STEP_SECONDS, f"nyc at {step} %")
    told = {name: 100 * share for name, share in globe.record().shares().items()}
    time.sleep(TTL + SETTLE_SECONDS)
    first = last = globe.counts()
    deadline = time.monotonic() + STEP_SECONDS
    while time.monotonic() < deadline:
        found = globe.counts()
        if _nyc(globe) != step:
            break
        last = found
        if step == STEPS[-1] and sum(last.values()) - sum(first.values()) > ENOUGH:
            break
    counted = {name: last[name] - first[name] for name in REGIONS}
    total = sum(counted.values())
    assert total > 0.8 * ENOUGH, counted
    return told, {name: 100 * counted[name] / total for name in REGIONS}, total


def _nyc(globe: Globe) -> int:
    return round(100 * globe.record().shares()["nyc"])


def _row(row: tuple[dict[str, float], dict[str, float], int]) -> str:
    told, seen, total = row
    return "| " + " | ".join(f"{name} {told[name]:.0f} → {seen[name]:.1f} %" for name in REGIONS) + f" | {total} |"
