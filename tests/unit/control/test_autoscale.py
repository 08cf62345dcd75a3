"""A pass of the autoscaler without machines: what it measures, remembers, decides, and writes down before it acts."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from du_infra.autoscale.state import Sample
from du_infra.control import autoscale
from du_infra.control.context import RegionContext
from du_infra.errors import EngineFailed, Refused
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent
from du_infra.release.state import Rollout
from du_infra.spec.load import check_text

FLEET = """
fleet: demo
regions:
  home: {provider: lxd, pool: {min: 1, max: 5, autoscale: {cpu: 60%, cooldown: 0s}}}
  away: {provider: lxd}
"""
LOAD = {"cpu_percent": 90.0, "memory_percent": 50.0, "rps": 10.0}
NODES = tuple(Node(f"demo-home-{n}", "1c1g", f"198.18.1.{n + 1}", joined=True) for n in (1, 2))


def reports(cpu: float = 90.0, **more: Any) -> list[NodeReport]:
    return [NodeReport(n.name, n.address, ready=True, load=LOAD | {"cpu_percent": cpu}, **more) for n in NODES]


@pytest.fixture
def home(tmp_path: Path) -> RegionContext:
    context = fleet(tmp_path, "home")
    context.store.save_pool("home", PoolRecord("198.18.1.1", 2, NODES))
    context.store.save_pool_wish("home", 2, autoscale_mark(context))
    return context


def fleet(folder: Path, region: str) -> RegionContext:
    spec, complaints = check_text(FLEET)
    assert spec, complaints
    return RegionContext(spec, region, folder)


def autoscale_mark(context: RegionContext) -> str:
    from du_infra.pool.wish import mark_of

    return mark_of(context.spec.pool)


@pytest.fixture
def brought(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many nodes were wanted each time the region was brought up."""
    found: list[int] = []

    def bring_up(context: RegionContext, report: Any, *, live: bool) -> Any:
        assert live
        found.append(context.wish.nodes)
        return f"up with {context.wish.nodes}"

    monkeypatch.setattr(autoscale, "bring_up", bring_up)
    return found


def test_a_pass_measures_decides_and_remembers(home: RegionContext) -> None:
    found = autoscale.plan_autoscale(home, reports())
    assert str(found.decision) == "2 → 3: cpu 90 % against 60 % for 1 minute"
    assert [sample.cpu for sample in home.store.autoscaling.samples("home", 0)] == [90.0]
    assert found.to_json() == {
        "region": "home",
        "nodes": 2,
        "want": 3,
        "why": "cpu 90 % against 60 % for 1 minute",
        "applied": False,
        "targets": {"cpu": 60.0},
        "measured": {"silent": 0, "cpu": 90.0, "memory": 50.0, "pressure": None, "rps": 10.0, "p95": None},
        "copies": {},
    }


def test_what_was_measured_before_counts_too(home: RegionContext) -> None:
    now = time.monotonic()
    for age in range(300, 0, -20):
        home.store.autoscaling.add("home", Sample(now - age, 2, cpu=10.0))
    assert autoscale.plan_autoscale(home, reports(10.0)).decision.want == 1
    assert autoscale.plan_autoscale(home, reports(50.0)).decision.want == 2


def test_it_is_done_once_and_remembered_as_a_change(home: RegionContext, brought: list[int]) -> None:
    found = autoscale.carry_out(home, autoscale.plan_autoscale(home, reports()), silent)
    assert (brought, found.to_json()["applied"]) == ([3], True)
    (change,) = home.store.autoscaling.changes("home")
    assert (change.before, change.after, change.why) == (2, 3, "cpu 90 % against 60 % for 1 minute")


def test_what_was_cut_off_is_finished_by_the_next_pass(
    home: RegionContext, brought: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*given: Any, **more: Any) -> None:
        raise EngineFailed("terraform apply failed")

    planned = autoscale.plan_autoscale(home, reports())
    with monkeypatch.context() as broken:
        broken.setattr(autoscale, "bring_up", fails)
        with pytest.raises(EngineFailed):
            autoscale.carry_out(home, planned, silent)
    again = autoscale.plan_autoscale(home, reports(5.0))
    assert str(again.decision) == "2 → 3: that was begun and is not finished"
    autoscale.carry_out(home, again, silent)
    assert brought == [3]
    (change,) = home.store.autoscaling.changes("home")
    assert (change.before, change.after, change.ended) == (2, 3, True)


def test_nothing_to_do_takes_no_lock_and_writes_no_event(home: RegionContext, brought: list[int]) -> None:
    planned = autoscale.plan_autoscale(home, reports(60.0))
    assert autoscale.carry_out(home, planned, silent) is planned
    assert (brought, home.store.autoscaling.changes("home")) == ([], [])


def test_a_release_that_goes_live_is_waited_for_and_a_held_one_is_not(home: RegionContext) -> None:
    row = Rollout(0, "home", "hello", "start", "v2-1", "v1-1", "me@here", {}, time.time())
    begun = home.store.rollouts.begin(row)
    found = autoscale.plan_autoscale(home, reports())
    assert str(found.decision) == "2: cpu 90 % against 60 % for 1 minute, but a release of hello is going live"
    home.store.rollouts.change(begun.id, state="held")
    assert autoscale.plan_autoscale(home, reports()).decision.want == 3


def test_a_pool_that_another_has_changed_is_measured_again(home: RegionContext, brought: list[int]) -> None:
    planned = autoscale.plan_autoscale(home, reports())
    home.store.save_pool("home", PoolRecord("198.18.1.1", 2, NODES[:1]))
    with pytest.raises(Refused, match="changed since"):
        autoscale.carry_out(home, planned, silent)
    assert brought == []


def test_a_region_without_settings_and_one_that_is_not_up_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="does not say how to scale it"):
        autoscale.plan_autoscale(fleet(tmp_path, "away"))
    with pytest.raises(Refused, match="is not up"):
        autoscale.plan_autoscale(fleet(tmp_path, "home"))


def test_a_node_that_leaves_does_not_count(home: RegionContext) -> None:
    from dataclasses import replace

    home.store.save_pool("home", PoolRecord("198.18.1.1", 2, (NODES[0], replace(NODES[1], state="leaving"))))
    found = autoscale.plan_autoscale(home, reports())
    assert (found.sample.nodes, found.decision.want) == (1, 2)


def test_another_max_takes_no_node_away_that_the_load_needs(home: RegionContext) -> None:
    home.store.save_pool_wish("home", 2, "of another max")
    assert autoscale.plan_autoscale(home, reports(50.0)).decision.want == 2
    assert autoscale.plan_autoscale(home, reports(90.0)).decision.want >= 2
