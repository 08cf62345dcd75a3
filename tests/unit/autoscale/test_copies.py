"""Copies of services on K3s: bounds, load, and that copies come before nodes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from du_infra.autoscale.copies import (
    Copies,
    Seen,
    bounds,
    copies_first,
    decide,
    sample_of,
    seen_of,
    settings_of,
    within,
)
from du_infra.autoscale.state import Change, Decision, Sample
from du_infra.health.state import NodeReport
from du_infra.spec import ServiceSpec

NOW = 10_000.0


def service(**more: Any) -> ServiceSpec:
    return ServiceSpec.model_validate({"image": "hello", "port": 8080, **more})


def node(
    name: str, here: int, cpu: float | None, *, count: int = 2, slots: int = 2, answers: bool = True
) -> NodeReport:
    copies = {"asked": 1, "count": count, "slots": slots, "ready": count, "here": here, "cpu_percent": cpu}
    return NodeReport(name, "198.18.1.2", reachable=answers, services=({"name": "hello", "copies": copies},))


def history(cpu: float, count: int, seconds: int = 300) -> list[Sample]:
    return [Sample(NOW - age, count, cpu=cpu) for age in range(seconds, -1, -10)]


def decided(cpu: float, count: int, slots: int = 1, *changes: Change, **replicas: Any) -> Decision:
    spec = service(replicas={"min": 1, "max": 4, **replicas})
    seen = Seen(count, count, slots, cpu=cpu)
    return decide(settings_of(spec, slots, None), seen, history(cpu, count), NOW, changes)


def test_what_the_nodes_say_of_their_copies_is_put_together() -> None:
    seen = seen_of("hello", service(cpus=0.5), [node("a", 1, 10.0, count=4), node("b", 3, 30.0, count=4)])
    assert seen == Seen(4, 4, 2, silent=0, cpu=50.0)
    seen = seen_of("hello", service(), [node("a", 1, 10.0), node("b", 1, None)])
    assert seen == Seen(2, 2, 2, silent=1, cpu=10.0)
    seen = seen_of("hello", service(), [node("a", 1, 10.0, slots=3), node("b", 1, 5.0, answers=False)])
    assert seen == Seen(2, 2, 2, silent=1, cpu=10.0, ghosts=1)
    assert seen_of("hello", service(), [NodeReport("a", "198.18.1.2", services=({"name": "hello"},))]) is None
    assert seen_of("other", service(), [node("a", 1, 1.0)]) is None


def test_busy_copies_become_more_and_idle_ones_fewer_and_why_is_said() -> None:
    assert str(decided(90.0, 2)) == "2 → 3: cpu 90 % against 70 % for 1 minute"
    assert str(decided(10.0, 2)) == "2 → 1: cpu at most 10 % against 70 % for 5 minutes: 1 can carry that"
    assert decided(69.0, 2).want == 2
    assert decided(90.0, 4).want == 4


def test_never_less_than_slots_and_fleet_yaml_counts_at_once() -> None:
    assert decided(1.0, 3, slots=3).want == 3
    assert str(decided(1.0, 1, min=2)) == "1 → 2: min is 2"
    assert str(within(settings_of(service(replicas=3), 1, None), Seen(1, 1, 1))) == "1 → 3: min is 3"
    assert str(within(settings_of(service(), 1, None), Seen(3, 3, 1))) == "3 → 1: max is 1"
    assert within(settings_of(service(), 3, None), Seen(3, 3, 3)).want == 3
    assert bounds(service(replicas={"min": 2, "max": 4}), 6) == (6, 6)


def moving(want: int, count: int = 1) -> Copies:
    return Copies("hello", Seen(count, count, 1), Decision(count, want, "busy"))


def test_nodes_wait_for_copies_that_change_or_did_a_moment_ago() -> None:
    up = Decision(1, 2, "too much")
    assert str(copies_first(up, [moving(2)], {}, NOW, 120)) == "1: too much, but copies come first (hello: 1 → 2: busy)"
    lately = {"hello": [Change(NOW - 60, 1, 2)]}
    told = str(copies_first(up, [moving(2, 2)], lately, NOW, 120))
    assert told == "1: too much, but copies come first (hello: 1 → 2 was a moment ago)"
    assert copies_first(up, [moving(2, 2)], lately, NOW + 61, 120) is up
    begun = Decision(1, 2, "begun", resumed=True)
    assert copies_first(begun, [moving(2)], lately, NOW, 120) is begun


@st.composite
def worlds(draw: st.DrawFn) -> tuple[ServiceSpec, Seen, list[Sample], list[Change]]:
    least = draw(st.integers(1, 5))
    spec = service(
        replicas={"min": least, "max": draw(st.integers(least, 9)), "cpu": draw(st.sampled_from(["5%", "70%"]))}
    )
    seen = Seen(draw(st.integers(1, 12)), 0, draw(st.integers(1, 6)), cpu=draw(st.none() | st.floats(0, 200)))
    ages = sorted(draw(st.lists(st.floats(0, 600), max_size=20)), reverse=True)
    told = [Sample(NOW - age, seen.count, draw(st.integers(0, 1)), cpu=draw(st.floats(0, 200))) for age in ages]
    past = sorted(draw(st.lists(st.floats(0, 3000), max_size=5)), reverse=True)
    return spec, seen, told, [Change(NOW - age, draw(st.integers(1, 9)), draw(st.integers(1, 9))) for age in past]


@how(max_examples=100, deadline=None)
@given(worlds())
def test_whatever_is_measured_the_number_is_within_bounds_and_covers_every_slot(
    world: tuple[ServiceSpec, Seen, list[Sample], list[Change]],
) -> None:
    spec, seen, told, past = world
    settings = settings_of(spec, seen.slots, None)
    found = decide(settings, seen, [*told, sample_of(seen, NOW)], NOW, past)
    least, most = bounds(spec, seen.slots)
    assert max(spec.replicas.min, seen.slots) == least <= found.want <= most
    assert least <= within(settings, seen).want <= most


@how(max_examples=60, deadline=None)
@given(st.floats(1, 2000), st.integers(1, 6))
def test_under_steady_load_the_number_comes_to_rest_and_copies_and_nodes_never_move_at_once(
    load: float, slots: int
) -> None:
    """``load`` in percent of one CPU spreads over the copies; each pass is half a minute after the one before."""
    spec = service(replicas={"min": 1, "max": 8})
    settings = settings_of(spec, slots, None)
    count, now, past, told = slots, NOW, [], []
    moves: list[int] = []
    for number in range(240):
        seen = Seen(count, count, slots, cpu=min(load / count, 100.0))
        told = [*told, sample_of(seen, now)][-60:]
        found = decide(settings, seen, told, now, past)
        nodes = copies_first(Decision(1, 2, "x"), [Copies("a", seen, found)], {"a": past}, now, settings.cooldown)
        assert not (found.changes and nodes.changes)
        if found.changes:
            past, moves = [*past, Change(now, count, found.want)], [*moves, number]
            count = found.want
        now += 30
    assert not [number for number in moves if number > 160], "it has come to rest"
    assert count >= slots
