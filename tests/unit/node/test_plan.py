"""What du-node plans, case by case."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import pytest

from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Preflight,
    Pull,
    Remove,
    RemoveImage,
    Restart,
    Run,
    SetRoutes,
    Start,
    StartGateway,
    Stop,
)
from du_node.draft import Draft
from du_node.errors import NodeError
from du_node.gateway.driver import Driver, connections
from du_node.plan import plan
from du_node.state import FIRST_PORT, LAST_PORT, Gateway, Observed, Route
from du_node.table import digest_of, upstream
from du_node.watch import GATEWAY
from tests.unit.node.world import World, service, wanted

V1, V2, V3 = service(release="r1"), service(release="r2"), service(release="r3")


def serving(*services: object) -> World:
    world = World()
    for one in services or (V1,):
        assert world.converge(wanted(one)) == frozenset()  # type: ignore[arg-type]
    world.log.clear()
    return world


def kinds(steps: tuple[Action, ...]) -> list[type]:
    return [type(step) for step in steps]


def test_the_first_release_is_pulled_started_awaited_and_only_then_routed() -> None:
    assert kinds(plan(wanted(V1), World().observe())) == [Preflight, Pull, Run, AwaitReady, SetRoutes]


def test_nothing_is_planned_where_all_is_as_wanted() -> None:
    assert plan(wanted(V1), serving(V1).observe()) == ()


def test_a_node_without_services_still_gets_a_gateway_configuration() -> None:
    assert plan(wanted(), World().observe()) == (SetRoutes(()),)


def test_a_switch_goes_through_a_table_with_the_old_slot_as_backup_and_stops_it_last() -> None:
    steps = plan(wanted(V2), serving(V1).observe())
    assert kinds(steps) == [Preflight, Pull, Run, AwaitReady, SetRoutes, SetRoutes, Drain, Stop]
    both, alone = (s.table[0] for s in steps if isinstance(s, SetRoutes))
    assert (both.primary.slot, both.backup and both.backup.slot) == ("green", "blue")
    assert (alone.primary.slot, alone.backup) == ("green", None)


def test_the_image_is_pulled_before_the_previous_release_is_removed() -> None:
    steps = plan(wanted(V3), serving(V1, V2).observe())
    assert kinds(steps)[:4] == [Preflight, Pull, Remove, Run]


def test_the_images_of_this_and_the_previous_release_stay_and_older_ones_go() -> None:
    world = serving(V1, V2)
    assert world.images == {V1.image, V2.image}
    steps = plan(wanted(V3), world.observe())
    assert steps[-1] == RemoveImage(V1.image)
    world.converge(wanted(V3))
    assert world.images == {V2.image, V3.image}


def test_a_changed_setting_alone_makes_a_new_slot() -> None:
    changed = replace(V1, config="other")
    assert Run in kinds(plan(wanted(changed), serving(V1).observe()))


def test_a_slot_that_an_interrupted_run_started_is_used() -> None:
    world = serving(V1)
    world.converge(wanted(V2), kill_after=3)
    assert kinds(plan(wanted(V2), world.observe()))[0] is AwaitReady


def test_an_interrupted_switch_to_one_release_can_go_on_to_another() -> None:
    for cut in range(14):
        world = serving(V1)
        world.converge(wanted(V2), kill_after=cut)
        assert world.converge(wanted(V3)) == frozenset()
        assert world.served("hello")


def test_a_new_slot_that_is_never_ready_goes_and_the_old_one_stays() -> None:
    world = serving(V1)
    world.bad = {"r2"}
    assert world.converge(wanted(V2)) == {"hello"}
    assert [c.release for c in world.slots.values()] == ["r1"]
    assert world.served("hello")


def test_after_a_failure_nothing_more_is_planned_for_that_service() -> None:
    world = serving(V1)
    world.bad = {"r2"}
    world.converge(wanted(V2))
    assert plan(wanted(V2), world.observe(), keep=frozenset({"hello"})) == ()


def test_one_failed_service_does_not_keep_another_from_its_release() -> None:
    other = service("other", "r9")
    world = World(bad={"r1"})
    assert world.converge(wanted(V1, other)) == {"hello"}
    assert world.served("other")


def test_when_the_new_slot_dies_behind_the_switch_the_old_one_takes_over_again() -> None:
    world = serving(V1)
    world.converge(wanted(V2), kill_after=5)
    world.bad = {"r2"}
    assert world.converge(wanted(V2)) == {"hello"}
    pair = world.routed("hello")
    assert pair is not None
    assert pair.primary == "blue"
    assert world.served("hello")


def test_when_the_new_slot_dies_behind_the_switch_and_a_third_release_is_wanted_the_old_one_serves_meanwhile() -> None:
    world = serving(V1)
    world.converge(wanted(V2), kill_after=5)
    world.slots["hello", "green"] = replace(world.slots["hello", "green"], running=False)
    assert world.converge(wanted(V3)) == frozenset()
    assert [c.release for c in world.slots.values() if c.running] == ["r3"]


def test_the_only_routed_slot_is_left_alone_however_sick() -> None:
    world = serving(V1)
    world.bad = {"r1"}
    assert plan(wanted(V1), world.observe(), keep=frozenset({"hello"})) == ()


def test_a_slot_that_stands_still_is_started_again() -> None:
    world = serving(V1)
    world.slots["hello", "blue"] = replace(world.slots["hello", "blue"], running=False)
    first = plan(wanted(V1), world.observe())[0]
    assert isinstance(first, Start)
    assert first.anew == V1


def test_a_release_that_stands_still_is_started_to_serve_until_the_next_one_is_ready() -> None:
    world = serving(V1)
    world.slots["hello", "blue"] = replace(world.slots["hello", "blue"], running=False)
    first, *rest = plan(wanted(V2), world.observe())
    assert isinstance(first, Start)
    assert not first.needed
    assert kinds(tuple(rest)) == [Preflight, Pull, Run, AwaitReady, SetRoutes, SetRoutes, Drain, Stop]


def test_a_kept_slot_of_another_release_cannot_be_made_anew() -> None:
    world = serving(V1)
    world.slots["hello", "blue"] = replace(world.slots["hello", "blue"], running=False)
    first = plan(wanted(V2), world.observe(), keep=frozenset({"hello"}))[0]
    assert isinstance(first, Start)
    assert first.anew is None


@pytest.mark.parametrize("keep", [frozenset[str](), frozenset({"hello"})])
def test_a_sick_slot_is_restarted_and_a_well_one_never(keep: frozenset[str]) -> None:
    world = serving(V1)
    sick = frozenset({"hello"})
    assert plan(wanted(V1), world.observe(), keep=keep, sick=sick) == () or not keep
    world.bad = {"r1"}
    assert kinds(plan(wanted(V1), world.observe(), keep=keep, sick=sick))[:1] == [Restart]


def test_a_gateway_that_lost_its_configuration_gets_it_from_the_containers() -> None:
    world = serving(V1)
    table, world.live, world.disk = world.live, None, None
    assert plan(wanted(V1), world.observe()) == (SetRoutes(table or (), "hello"),)


def test_a_stored_configuration_that_was_lost_is_written_again() -> None:
    world = serving(V1)
    world.disk = None
    assert plan(wanted(V1), world.observe()) == (SetRoutes(world.live or ()),)


def test_the_image_of_a_failed_release_stays_for_the_next_try() -> None:
    world = serving(V1)
    world.bad = {"r2"}
    world.converge(wanted(V2))
    assert V2.image in world.images


def test_a_ready_slot_is_routed_before_a_new_release_is_begun() -> None:
    world = serving(V1)
    world.live = world.disk = None
    assert kinds(plan(wanted(V2), world.observe()))[:3] == [SetRoutes, Preflight, Pull]


def test_an_unwanted_service_leaves_the_gateway_before_its_slot_is_stopped_and_removed() -> None:
    world = serving(V1)
    assert kinds(plan(wanted(), world.observe())) == [SetRoutes, Drain, Stop, Remove, RemoveImage]


def test_a_path_can_move_from_one_service_to_another() -> None:
    old, new = replace(V1, route=Route(path="/")), service("new", "r5", route=Route(path="/"))
    world = serving(old)
    moved = replace(old, route=Route(path="/old"), config="moved")
    assert world_after(world, moved, new) == {"hello": "/old", "new": "/"}


def test_two_services_can_swap_their_paths() -> None:
    one, two = service("one", route=Route(path="/a")), service("two", route=Route(path="/b"))
    world = World()
    world.converge(wanted(one, two))
    swapped = (
        replace(one, route=Route(path="/b"), config="x"),
        replace(two, route=Route(path="/a"), config="x"),
    )
    assert world_after(world, *swapped) == {"one": "/b", "two": "/a"}


def world_after(world: World, *services: object) -> dict[str, str]:
    """Where each service is reached; requests in between are not watched, since a place changes hands."""
    want = wanted(*services)  # type: ignore[arg-type]
    for _ in range(5):
        for step in plan(want, world.observe()):
            world.do(step, set())
    assert plan(want, world.observe()) == ()
    return {e.service: e.route.path for e in world.live or ()}


def test_ports_of_two_services_never_meet() -> None:
    names = [service(f"s{n}") for n in range(5)]
    world = World()
    world.converge(wanted(*names))
    assert len({c.port for c in world.slots.values()}) == 5


def test_a_port_that_somebody_listens_on_is_not_taken() -> None:
    seen = replace(World().observe(), ports=frozenset(range(20000, 20003)))
    run = next(step for step in plan(wanted(V1), seen) if isinstance(step, Run))
    assert run.port == 20003


def test_after_the_last_port_comes_the_first_that_is_free() -> None:
    seen = replace(World().observe(), ports=frozenset({20000, 29999}))
    run = next(step for step in plan(wanted(V1), seen) if isinstance(step, Run))
    assert run.port == 20001


def test_every_action_can_be_told_to_a_person() -> None:
    world = serving(V1, V2)
    steps = plan(wanted(V3), world.observe()) + plan(wanted(), world.observe())
    assert all(len(str(step)) > 5 and "object at" not in str(step) for step in steps)


def test_a_gateway_that_stands_still_is_started_anew_and_nothing_else_is_touched() -> None:
    world = serving()
    assert kinds(plan(wanted(V1), world.observe(), sick=frozenset({GATEWAY}))) == [StartGateway]


def test_the_table_of_a_release_has_the_slots_second_port_so_that_the_next_look_finds_nothing_to_do() -> None:
    seen = Observed((), Gateway(running=True, live=digest_of(()), disk=digest_of(())), unready_step=100)
    (table,) = (s.table for s in plan(wanted(V1), seen) if isinstance(s, SetRoutes))
    assert table[0].primary.unready_port == table[0].primary.port + 100
    made = Draft(wanted(V1), seen).run(V1, "blue")
    assert made.ports == (made.port, made.port + 100)
    assert upstream(made) == table[0].primary


def test_a_slot_gets_the_port_after_the_highest_slots_whatever_else_is_taken() -> None:
    first, *_ = (s for s in plan(wanted(V1), World().observe()) if isinstance(s, Run))
    seen = replace(World().observe(), ports=frozenset(range(FIRST_PORT + 10, LAST_PORT + 1)))
    draft = Draft(wanted(V1, V2), seen)
    assert (first.port, draft.run(V1, "blue").port, draft.run(V1, "green").port) == (20000, 20000, 20001)


def test_no_port_left_is_said_in_words() -> None:
    seen = replace(World().observe(), ports=frozenset(range(FIRST_PORT, LAST_PORT + 1)))
    with pytest.raises(NodeError, match="every port that slots of this node may have is taken"):
        plan(wanted(V1), seen)


def test_connections_to_a_slot_count_by_whichever_port() -> None:
    slot = replace(serving(V1).observe().containers[0], port=20000, unready_port=20100)
    counts = {20000: 2, 20100: 1}
    entrance = cast(Driver, SimpleNamespace(connections=counts.__getitem__))
    assert connections(entrance, slot) == 3
    assert connections(entrance, replace(slot, unready_port=0)) == 2
