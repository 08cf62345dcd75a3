"""A pass over the entrance: what is seen is judged, decided, kept, written to DNS; killed anywhere it goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.turn import Desk
from du_infra.control.traffic.wish import course_of, keep, shifted
from du_infra.errors import Busy, EngineFailed, Refused, SpecError
from du_infra.health.heal import CONTROLLER
from du_infra.store.leases import Leases
from du_infra.store.traffic import Traffic
from du_infra.traffic import course as courses
from tests.unit.control_traffic.world import FLEET, NAME, FakeDns, Killed, World


def test_the_first_pass_gives_out_everybody_and_the_next_ones_change_nothing(world: World) -> None:
    desk = world.desk()
    world.run(desk, 5)
    assert (world.live, len(world.dns.writes)) == ("abc", 1)
    store = world.entrance().store.traffic
    (decided,) = store.decisions(NAME)
    assert [action.kind for action in decided.actions] == ["publish"]
    assert store.course(NAME) is not None
    assert {one.state for one in store.standings().values()} == {"up"}


def test_a_region_that_dies_is_out_by_the_word_of_a_majority_and_comes_back(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.dies("b")
    began = world.now
    while world.live == "abc":
        world.turn(desk)
    assert 4 <= world.now - began <= 7
    assert world.live == "ac"
    decided = world.entrance().store.traffic.decisions(NAME, "b")[0]
    assert str(decided.actions[0]).startswith("fail-over b: down by 3 of 3 (du-infra: does not answer within 1.5 s; ")
    world.dies()
    world.run(desk, 28)
    assert world.live == "ac"
    world.run(desk, 6)
    assert world.live == "abc"


@pytest.mark.parametrize("alone", [CONTROLLER, "a", "c"])
def test_one_observer_alone_takes_nobody_out(alone: str, world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.sees = lambda observer, region: observer != alone
    world.run(desk, 60)
    assert (world.live, len(world.dns.writes)) == ("abc", 1)


def test_a_controller_that_is_cut_off_changes_nothing(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.sees = lambda observer, region: False if observer == CONTROLLER else None
    world.run(desk, 60)
    assert (world.live, len(world.dns.writes)) == ("abc", 1)


def test_when_all_look_dead_all_are_given_out(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.sees = lambda observer, region: False
    world.run(desk, 60)
    assert world.live == "abc"


def test_a_dry_run_changes_neither_dns_nor_what_is_remembered(world: World) -> None:
    view = world.turn(world.desk(dry_run=True))
    assert [action.kind for action in view.plan.actions] == ["publish"]
    assert world.dns.record is None
    store = world.entrance().store.traffic
    assert (store.course(NAME), store.memory(NAME)[0], store.standings(), store.decisions(NAME)) == (None, None, {}, [])


def test_somebody_elses_change_is_put_right(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    good = world.dns.record
    world.dns.record = None
    world.run(desk, 20)
    assert world.dns.record == good


def _step(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> list[bool]:
    """From now on, while the list says True, the process dies at this call."""
    real: Callable[..., Any] = getattr(owner, name)
    armed = [True]

    def dies(*given: Any, **more: Any) -> Any:
        if armed[0] and not after:
            raise Killed
        found = real(*given, **more)
        if armed[0]:
            raise Killed
        return found

    monkeypatch.setattr(owner, name, dies)
    return armed


STEPS = [
    (Traffic, "see"),
    (Traffic, "set_course"),
    (Traffic, "decided"),
    (Traffic, "remember"),
    (Leases, "_take"),
    (FakeDns, "read"),
    (FakeDns, "write"),
]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), STEPS, ids=[name for _, name in STEPS])
def test_killed_between_any_two_steps_of_the_first_pass_the_next_one_goes_on(
    owner: Any, name: str, after: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    armed = _step(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        world.run(world.desk(), 3)
    armed[0] = False
    _ends(world)
    world.run(world.desk(), 3)
    assert (world.live, len(world.dns.writes)) == ("abc", 1)
    assert len(world.entrance().store.traffic.courses(NAME)) == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("owner", "name"), [step for step in STEPS if step[1] != "set_course"])
def test_killed_between_any_two_steps_of_a_failover_the_next_controller_ends_it(
    owner: Any, name: str, after: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = world.desk()
    world.run(first, 3)
    world.dies("b")
    armed = _step(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        world.run(first, 20)
    armed[0] = False
    _ends(world)
    world.run(world.desk(), 12)
    assert (world.live, len(world.dns.writes)) == ("ac", 2)
    memory = world.entrance().store.traffic.memory(NAME)[0]
    assert memory is not None
    assert len(memory.changes) == 1


def test_of_two_controllers_one_writes_and_the_other_finds_it_done(world: World) -> None:
    first, second = world.desk(), world.desk()
    for _ in range(4):
        world.turn(first, 0.5)
        world.turn(second, 0.5)
    world.dies("b")
    for _ in range(20):
        world.turn(first, 0.5)
        world.turn(second, 0.5)
    assert (world.live, len(world.dns.writes)) == ("ac", 2)


def test_while_one_is_at_it_the_other_writes_nothing(world: World) -> None:
    entrance = world.entrance()
    with entrance.store.leases.held(entrance.lease, "changes what DNS answers"), pytest.raises(Busy) as busy:
        world.turn(world.desk())
    assert "traffic status" in busy.value.todo
    assert world.dns.writes == []


def test_one_that_sees_nothing_does_not_hold_up_the_one_that_sees(world: World) -> None:
    blind, seeing = world.desk(), world.desk()
    world.run(blind, 2)
    for _ in range(20):
        world.sees = lambda observer, region: False if observer == CONTROLLER else None
        world.turn(blind, 0.5)
        world.dies("b")
        world.turn(seeing, 0.5)
    assert (world.live, len(world.dns.writes)) == ("ac", 2)


def test_passes_of_a_timer_add_up(world: World) -> None:
    world.turn(world.desk())
    world.dies("b")
    world.turn(world.desk(), 3)
    assert world.live == "abc"
    world.turn(world.desk(), 3)
    world.turn(world.desk(), 3)
    assert world.live == "ac"


def test_when_dns_cannot_be_written_what_was_decided_is_done_later(world: World) -> None:
    desk = world.desk()
    world.run(desk, 3)
    world.dies("b")
    for _ in range(6):
        world.turn(desk)
        if world.live == "ac":
            break
        world.dns.broken = EngineFailed("no") if world.now > 10_006 else None
        if world.dns.broken:
            with pytest.raises(EngineFailed):
                for _ in range(5):
                    world.turn(desk)
            break
    world.dns.broken = None
    world.run(desk, 5)
    assert world.live == "ac"


def test_frozen_nothing_is_changed_and_no_lease_is_taken(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.run(world.desk(), 3)
    world.write(f"{FLEET}  freeze: true\n  weights: {{a: 1, b: 1}}\n")
    taken: list[str] = []
    real = Leases._take
    monkeypatch.setattr(Leases, "_take", lambda self, name, *more: taken.append(name) or real(self, name, *more))
    world.dies("b")
    world.run(world.desk(), 30)
    assert (world.live, len(world.dns.writes), taken) == ("abc", 1, [])


def test_what_fleet_yaml_comes_to_say_goes_over_what_was_asked_for_since(world: World) -> None:
    desk = world.desk()
    world.run(desk, 2)
    entrance = world.entrance()
    asked = keep(entrance, shifted(course_of(entrance), {"a": 70}), "shift a 70 %")
    assert course_of(entrance) == asked
    world.write(f"{FLEET}  weights: {{a: 20, b: 40, c: 40}}\n")
    entrance = world.entrance()
    said = course_of(entrance)
    assert (said.number, said.previous, dict(said.weights)) == (0, asked.number, {"a": 20, "b": 40, "c": 40})
    keep(entrance, said)
    keep(entrance, courses.drain(course_of(entrance), "b"), "drain b")
    assert course_of(entrance).drained == ("b",)


def test_shares_of_several_regions_leave_the_rest_to_the_others(world: World) -> None:
    course = course_of(world.entrance())
    assert shifted(course, {"a": 25}).weights["a"] == 25
    alone = shifted(course, {"a": 100})
    assert shifted(alone, {"b": 50, "c": 50, "a": 0}).weights == {"a": 0, "b": 50, "c": 50}
    weights = shifted(course, {"a": 25, "b": 25}).weights
    assert dict(weights) == {"a": 25, "b": 25, "c": 50}
    for wrong in ({"a": 60, "b": 60}, {"a": 20, "b": 20, "c": 20}, {"nowhere": 20}):
        with pytest.raises(SpecError):
            shifted(course, wrong)


def test_a_shift_goes_by_the_steps_of_the_canary(world: World) -> None:
    world.write(FLEET.replace("min_requests: 0", "min_requests: 0\n  soak: 10s\n  weights: {a: 100, b: 0, c: 0}"))
    desk = world.desk()
    world.run(desk, 2)
    assert world.live == "a"
    keep(desk.entrance, shifted(course_of(desk.entrance), {"b": 60}), "shift b 60 %")
    seen = []
    for _ in range(60):
        world.turn(desk)
        assert world.dns.record is not None
        seen.append(world.dns.record.endpoints["b"].weight)
    assert sorted(set(seen)) == [0, 5, 25, 50, 60]


def test_where_no_region_was_ever_up_there_is_nothing_to_lead_to(world: World) -> None:
    (world.folder / ".du").rename(world.folder / "away")
    with pytest.raises(Refused, match="no region of the fleet is up"):
        world.desk()


def test_gdnsd_on_the_nodes_of_a_region_follows_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    there: list[Any] = []
    monkeypatch.setattr(Entrance, "servers", lambda entrance, records: tuple(there))
    desk = world.desk()
    world.run(desk, 3)
    first = desk.dns
    there.append("another node")
    world.run(desk, 7)
    assert desk.dns is not first
    assert world.live == "abc"


def _ends(world: World) -> None:
    """The process that was killed is gone, and its lease with it."""
    from du_infra.store.tables import leases

    with world.entrance().store._gate.begin() as connection:
        connection.execute(leases.delete())


def test_a_desk_needs_no_network_to_be_made(world: World) -> None:
    world.dns.broken = EngineFailed("no")
    assert isinstance(world.desk(), Desk)
