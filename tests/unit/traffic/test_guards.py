"""Room, budgets, backends that cannot do what is asked, and counts that do not show what DNS was told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.spec import Duration, Percent, TrafficSpec
from du_infra.traffic.aim import aim_of, settings_of
from du_infra.traffic.capacity import Demand, Load, crowded, demand_of, load_of, losses, rooms_of
from du_infra.traffic.failover import give_out
from du_infra.traffic.guard import Budget, Change, check_backend, drain_refusal
from du_infra.traffic.seen import Seen, allowance, not_as_told
from du_infra.traffic.shares import percent, whole
from du_infra.traffic.state import Capabilities
from tests.unit.traffic.bed import DOWN, SETTINGS, UNSURE, UP

ALL = Capabilities(weights=True, health=True, atomic=True)
IN_OR_OUT = Capabilities(weights=False, health=False, atomic=True, min_ttl=60)
LOADS = {"big": Load(900, 9, 20), "small": Load(100, 1, 5)}


def spec(**parts: Any) -> TrafficSpec:
    return TrafficSpec(**({"zone": "example.com", "record": "www"} | parts))


def node(name: str, *, ready: bool = True, **load: float) -> NodeReport:
    return NodeReport(name, "198.18.0.1", ready=ready, load=load)


def test_a_regions_load_is_that_of_its_nodes_that_take_requests() -> None:
    nodes = [
        node("a-1", cpu_percent=50, rps=10),
        node("a-2", cpu_percent=25, rps=20),
        node("a-3", ready=False, cpu_percent=100, rps=5),
        node("a-4", rps=5),
    ]
    assert load_of(nodes, 2) == Load(rps=30, busy=1.5, cpus=4)
    assert load_of(nodes[2:], 2) is None


def test_room_is_by_cpus_or_what_the_file_says() -> None:
    demand = demand_of(LOADS, LOADS, None, calm=True)
    assert demand == Demand(1000, 10)
    assert rooms_of(LOADS, {}, demand) == pytest.approx({"big": 1.6, "small": 0.4})
    assert rooms_of(LOADS, {"small": 500}, demand) == pytest.approx({"big": 1.6, "small": 0.5})
    assert rooms_of(LOADS, {}, None) == {}


def test_demand_is_not_forgotten_while_somebody_is_away() -> None:
    calm = Demand(1000, 10)
    alone = {"small": LOADS["small"]}
    assert demand_of(alone, ["small"], calm, calm=False) == calm
    assert demand_of({"small": Load(2000, 4, 5)}, ["small"], calm, calm=False) == Demand(2000, 10)
    assert demand_of(alone, ["small"], calm, calm=True) == Demand(100, 1)
    assert demand_of(alone, ["small", "big"], calm, calm=True) == calm
    assert demand_of(alone, ["big"], None, calm=True) is None
    assert demand_of({}, [], calm, calm=True) == calm


def test_a_loss_that_cannot_be_borne_is_known_before() -> None:
    assert losses({"big": 90, "small": 10}, {"big": 1.6, "small": 0.4}) == [
        "without big the others could bear 40 % of what comes"
    ]
    assert losses({"big": 90, "small": 10}, {"big": 1.6}) == []
    assert losses({"big": 100, "small": 0}, {"big": 1.6, "small": 0.1}) == []


def test_who_gets_more_than_he_can_bear_is_told() -> None:
    assert crowded({"a": 0.7, "b": 0.3}, {"a": 0.5}) == ["a gets 70 % of what comes, and has room for 50 %"]
    assert crowded({"a": 0.7, "b": 0.3}, {"a": 0.7, "b": 4.0}) == []


def test_a_dead_ones_share_fills_each_survivor_to_its_room() -> None:
    base = whole({"a": 40, "b": 30, "c": 20, "d": 10})
    found = give_out(base, {"b", "c", "d"}, 1, {"b": 0.4, "c": 0.25, "d": 1.0})
    assert found.weights == {"a": 0, "b": 40, "c": 25, "d": 35}
    assert (found.out, found.left) == ({"a"}, {})
    tight = give_out(base, {"b", "c", "d"}, 1, {"b": 0.4, "c": 0.25, "d": 0.05})
    assert tight.weights == {"a": 25, "b": 40, "c": 25, "d": 10}
    assert tight.left == {"a": 25}
    assert tight.up("a")


def test_a_budget_is_of_the_last_hour() -> None:
    changes = [Change(0, True, 1.0), Change(3000, True, 0.25), Change(3001, False, 1.0)]
    budget = Budget(changes, replace(SETTINGS, max_shift=1.0), 4000)
    assert (len(budget.changes), budget.left, budget.spent, budget.spent_by_plan) == (2, 0.75, "", "")


def test_a_drain_is_refused_in_words() -> None:
    base = {"a": 50, "b": 50, "c": 0}
    assert drain_refusal("a", base, base, {"a": UP, "b": UP}, 1) == ""
    assert drain_refusal("a", base, base, {"a": UP, "b": UP}, 2) == "1 would be left, and min_regions is 2"
    assert drain_refusal("a", base, {"b": 50, "c": 50}, {"a": UP, "b": UP, "c": UP}, 2) == ""
    assert drain_refusal("a", base, base, {"a": UP, "b": UNSURE}, 1) == "one at a time, and b is not up for sure"
    assert drain_refusal("a", base, base, {"a": UP}, 1) == "one at a time, and b is not up for sure"
    assert drain_refusal("a", base, base, {"a": DOWN, "b": DOWN}, 9) == ""
    assert drain_refusal("a", base, base, {}, 9) == ""


def test_a_canary_is_refused_where_nobody_knows_weights() -> None:
    check_backend(spec(), ALL)
    with pytest.raises(
        Refused, match="it knows no weights, so that no region can be given 5 % of the answers"
    ) as caught:
        check_backend(spec(backend="hetzner"), IN_OR_OUT)
    assert "write canary: [] and a region gets its whole share at once" in caught.value.todo
    assert caught.value.detail == "its answers are kept for at least 60 s"
    check_backend(spec(backend="hetzner", canary=(), ttl=Duration("1m")), IN_OR_OUT)
    with pytest.raises(Refused, match="all regions get as much as each other"):
        check_backend(spec(canary=(), ttl=Duration("1m"), weights={"a": 1, "b": 2}), IN_OR_OUT)
    check_backend(spec(canary=(), ttl=Duration("1m"), weights={"a": 1, "b": 1, "c": 0}), IN_OR_OUT)


def test_settings_and_aim_are_what_the_file_says() -> None:
    found = settings_of(spec(max_shift=Percent("30%"), ttl=Duration("1m"), capacity={"a": 5.0}), IN_OR_OUT)
    assert (found.steps, found.max_shift, found.settle, found.weighted) == ((0.05, 0.25, 0.5, 1.0), 0.3, 65.0, False)
    assert settings_of(spec()).weighted
    regions = {"a": "198.18.0.1", "b": "", "c": "198.18.0.3"}
    asked = aim_of(spec(addresses={"a": "203.0.113.1"}), regions)
    assert (asked.weights, asked.addresses) == (
        {"a": 1, "b": 1, "c": 1},
        {"a": "203.0.113.1", "c": "198.18.0.3"},
    )
    assert asked.wanted() == {"a": 1, "c": 1}
    assert aim_of(spec(weights={"a": 5}), regions).weights == {"a": 5, "b": 0, "c": 0}
    over = aim_of(spec(weights={"a": 5}), regions, {"a": 1, "c": 2}, frozenset({"c"}))
    assert (over.weights, over.wanted()) == ({"a": 1, "b": 0, "c": 2}, {"a": 1, "c": 0})


def test_few_requests_may_be_further_off_than_many() -> None:
    assert allowance(0.05, 0) == 1
    assert allowance(0.05, 100) == pytest.approx(0.02 + 2 * 0.0218, abs=1e-3)
    assert allowance(0.05, 10**9) == pytest.approx(0.02, abs=1e-4)


def test_requests_where_none_should_come_are_told() -> None:
    told = {"a": 1.0, "b": 0.0}
    assert not_as_told(told, Seen(0, {"a": 1000}), 0, 100) == ""
    assert not_as_told(told, Seen(0, {"a": 990, "b": 10}), 0, 100) == ""
    assert not_as_told(told, Seen(0, {"a": 900, "b": 100}), 0, 100) == "a gets 90 % of 1000 requests, and is told 100 %"
    assert not_as_told(told, None, 0, 0) == ""


@pytest.mark.parametrize(("share", "words"), [(0.05, "5 %"), (1 / 3, "33.3 %"), (1.0, "100 %"), (0.0, "0 %")])
def test_shares_are_told_in_percent(share: float, words: str) -> None:
    assert percent(share) == words
