"""What du-node plans for a release that is held, given a share, watched, taken back; and after any cut."""

from __future__ import annotations

from dataclasses import replace

import pytest

from du_node.actions import Action, AwaitReady, Drain, Observe, SetRoutes, Stop, WarmUp, short
from du_node.plan import plan
from du_node.rollout import Rollout
from du_node.state import Pair, Service
from tests.unit.node.world import AT_THE_VERDICT, WATCHED, World, service, wanted

V1 = service(release="r1")


def v2(**changes: object) -> Service:
    return service(release="r2", rollout=Rollout(**changes))  # type: ignore[arg-type]


def serving_v1() -> World:
    world = World()
    assert world.apply(wanted(V1)) == frozenset()
    world.log.clear()
    return world


def stages(steps: tuple[Action, ...]) -> list[str]:
    return [short(step) for step in steps]


def alone(world: World) -> str:
    """The release that is routed alone, ready, and the only one that runs."""
    pair = world.routed("hello")
    assert pair
    assert pair == Pair(pair.primary)
    (running,) = (c for c in world.slots.values() if c.running)
    assert running.slot == pair.primary
    assert world.served("hello")
    return running.release


def test_a_canary_grows_share_by_share_and_each_is_watched() -> None:
    steps = plan(wanted(service(release="r2", rollout=WATCHED)), serving_v1().observe())
    assert stages(steps) == [
        *("preflight", "pull", "run", "ready", "canary 5 %", "observe 5 %", "canary 25 %", "observe 25 %"),
        *("switch", "observe 100 %", "alone", "drain", "stop"),
    ]


def test_without_watching_there_are_no_shares() -> None:
    steps = plan(wanted(v2(canary=(5, 25))), serving_v1().observe())
    assert stages(steps)[4:] == ["switch", "alone", "drain", "stop"]


def test_the_first_release_is_neither_held_nor_watched() -> None:
    steps = plan(wanted(v2(hold=True, canary=(5,), observe=9.0, warm_up="/x")), World().observe())
    assert stages(steps) == ["preflight", "pull", "run", "ready", "alone"]


def test_a_new_slot_is_asked_as_often_as_wanted_and_warmed_up_before_anybody_else_asks_it() -> None:
    steps = plan(wanted(v2(passes=7, warm_up="/warm")), serving_v1().observe())
    ready, warm, switch = steps[3:6]
    assert isinstance(ready, AwaitReady)
    assert ready.passes == 7
    assert isinstance(warm, WarmUp)
    assert warm.path == "/warm"
    assert isinstance(switch, SetRoutes)


def test_stickiness_is_the_canarys_alone() -> None:
    steps = plan(wanted(v2(canary=(5,), sticky=True, observe=9.0)), serving_v1().observe())
    assert [step.table[0].sticky for step in steps if isinstance(step, SetRoutes)] == [True, False, False]


def test_a_release_that_is_held_ends_with_a_preview_and_is_let_go_on_from_there() -> None:
    world = serving_v1()
    steps = plan(wanted(v2(hold=True)), world.observe())
    assert stages(steps) == ["preflight", "pull", "run", "ready", "preview"]
    world.apply(wanted(v2(hold=True)))
    assert plan(wanted(v2(hold=True)), world.observe()) == ()
    assert stages(plan(wanted(v2()), world.observe())) == ["ready", "switch", "alone", "drain", "stop"]


def test_a_release_that_is_held_is_not_routed_even_when_the_old_one_dies() -> None:
    world = serving_v1()
    world.apply(wanted(v2(hold=True)))
    world.slots["hello", "blue"] = replace(world.slots["hello", "blue"], running=False)
    assert stages(plan(wanted(v2(hold=True)), world.observe())) == ["run"]


def test_a_release_that_is_held_can_be_given_up() -> None:
    world = serving_v1()
    world.apply(wanted(v2(hold=True)))
    assert stages(plan(wanted(V1), world.observe())) == ["alone", "drain", "stop"]


def test_a_canary_can_be_given_up_at_once() -> None:
    world = serving_v1()
    world.apply(wanted(service(release="r2", rollout=WATCHED)), kill_after=6)
    assert stages(plan(wanted(V1), world.observe())) == ["alone", "drain", "stop"]


def test_after_the_switch_the_way_back_is_short_whatever_the_settings() -> None:
    world = serving_v1()
    world.apply(wanted(v2(observe=9.0)), kill_after=5)
    back = replace(V1, rollout=WATCHED)
    assert stages(plan(wanted(back), world.observe())) == ["ready", "alone", "drain", "stop"]


def test_a_cut_off_release_goes_on_at_the_share_it_had_and_watches_it_anew() -> None:
    world = serving_v1()
    want = wanted(service(release="r2", rollout=WATCHED))
    world.apply(want, kill_after=8)
    assert stages(plan(want, world.observe()))[:4] == ["ready", "observe 25 %", "switch", "observe 100 %"]
    world.apply(want, kill_after=3)
    assert stages(plan(want, world.observe())) == ["observe 100 %", "alone", "drain", "stop"]


def test_other_shares_that_are_wanted_meanwhile_never_take_requests_back() -> None:
    world = serving_v1()
    world.apply(wanted(service(release="r2", rollout=WATCHED)), kill_after=8)
    steps = plan(wanted(v2(canary=(10, 50), observe=9.0)), world.observe())
    assert stages(steps)[:5] == ["ready", "observe 25 %", "canary 50 %", "observe 50 %", "switch"]


def test_a_release_that_does_badly_is_taken_back_and_goes() -> None:
    world = serving_v1()
    world.poor = {"r2"}
    assert world.apply(wanted(service(release="r2", rollout=WATCHED))) == {"hello"}
    assert alone(world) == "r1"
    assert [c.release for c in world.slots.values()] == ["r1"]


def test_the_verdict_is_written_before_anything_is_undone() -> None:
    world = serving_v1()
    world.poor = {"r2"}
    world.apply(wanted(service(release="r2", rollout=WATCHED)), AT_THE_VERDICT)
    pair = world.routed("hello")
    assert pair is not None
    assert pair.share == 5
    assert world.result["ended"] is False
    assert world.result["failed"]


def test_a_failed_release_answers_until_the_old_one_is_back_where_that_died_meanwhile() -> None:
    world = serving_v1()
    world.poor = {"r2"}
    want = wanted(service(release="r2", rollout=WATCHED))
    world.apply(want, AT_THE_VERDICT)
    world.slots["hello", "blue"] = replace(world.slots["hello", "blue"], running=False)
    assert world.apply(want) == {"hello"}
    assert alone(world) == "r1"
    assert world.log[-6:-3] == ["hello: start blue again", "hello: wait until blue is ready", "gateway: hello → blue"]


def test_what_failed_and_was_not_undone_is_undone_by_a_second_apply_and_tried_again_by_a_third() -> None:
    want = wanted(service(release="r2", rollout=WATCHED))
    world = serving_v1()
    world.poor = {"r2"}
    world.apply(want, AT_THE_VERDICT)
    world.poor = set()
    assert world.apply(want) == {"hello"}
    assert alone(world) == "r1"
    assert world.apply(want) == frozenset()
    assert alone(world) == "r2"


@pytest.mark.parametrize("fate", ["good", "poor", "bad"])
@pytest.mark.parametrize("next_try", ["apply", "heal", "back"])
@pytest.mark.parametrize("rollout", [Rollout(), WATCHED, Rollout(observe=9.0, cut_after=None)])
def test_killed_after_any_step_it_ends_with_one_release(fate: str, next_try: str, rollout: Rollout) -> None:
    want = wanted(service(release="r2", rollout=rollout))
    for kill_after in range(20):
        world = serving_v1()
        world.poor = {"r2"} if fate == "poor" else set()
        world.bad = {"r2"} if fate == "bad" else set()
        world.apply(want, kill_after)
        world.draining.clear()  # time passes
        if next_try == "back":
            world.apply(wanted(V1))
        else:
            world.apply(want) if next_try == "apply" else world.heal()
        stays = next_try == "back" or fate == "bad" or (fate == "poor" and rollout.observe)
        assert alone(world) == ("r1" if stays else "r2"), world.log


def test_a_tool_that_fails_once_fails_no_release() -> None:
    for kill_after in range(9):
        world = serving_v1()
        world.apply(wanted(v2()), kill_after)
        world.faults = 1
        assert world.apply(wanted(v2())) == frozenset()
        assert alone(world) == "r2"


def test_a_way_back_that_fails_too_is_tried_again_by_the_next_heal() -> None:
    world = serving_v1()
    world.poor = {"r2"}
    want = wanted(v2(observe=9.0))
    world.apply(want, kill_after=7)
    world.faults = 9
    world.heal()
    assert world.result["ended"] is False
    world.faults = 0
    world.heal()
    assert world.result["ended"] is True
    assert alone(world) == "r1"


def test_the_old_slot_is_stopped_only_after_its_requests_had_their_time() -> None:
    steps = plan(wanted(v2(cut_after=7.0)), serving_v1().observe())
    drain, stop = steps[-2:]
    assert isinstance(drain, Drain)
    assert isinstance(stop, Stop)
    assert (drain.seconds, stop.cut) == (7.0, True)


def test_an_old_slot_that_is_let_run_stays_as_long_as_somebody_uses_it() -> None:
    world = serving_v1()
    world.long = {("hello", "blue")}
    want = wanted(v2(cut_after=None))
    assert world.apply(want) == frozenset()
    assert world.slots["hello", "blue"].running
    assert plan(want, world.observe()) == ()
    world.long.clear()
    assert stages(plan(want, world.observe())) == ["drain", "stop"]


def test_an_old_slot_that_is_let_run_is_cut_when_the_next_release_needs_it() -> None:
    world = serving_v1()
    world.long = {("hello", "blue")}
    world.apply(wanted(v2(cut_after=None)))
    assert world.apply(wanted(service(release="r3", rollout=Rollout(cut_after=None)))) == frozenset()
    assert (world.cut, alone(world)) == (1, "r3")


def test_an_old_slot_that_still_runs_is_taken_again_where_its_release_is_wanted_again() -> None:
    world = serving_v1()
    world.long = {("hello", "blue")}
    world.apply(wanted(v2(cut_after=None)))
    assert stages(plan(wanted(V1), world.observe()))[:2] == ["ready", "switch"]


def test_of_two_ready_slots_that_the_gateway_has_forgotten_the_earlier_release_serves() -> None:
    world = serving_v1()
    want = wanted(service(release="r2", rollout=WATCHED))
    world.apply(want, kill_after=8)
    world.live = world.disk = None
    first, *rest = plan(want, world.observe())
    assert isinstance(first, SetRoutes)
    assert first.table[0].slots == ("blue",)
    assert stages(tuple(rest))[:2] == ["ready", "canary 5 %"]


def test_a_slot_that_the_gateway_names_beside_a_lost_one_leaves_it_before_it_is_removed() -> None:
    world = serving_v1()
    world.apply(wanted(v2(hold=True)))
    del world.slots["hello", "blue"]
    world.slots["hello", "green"] = replace(world.slots["hello", "green"], running=False)
    assert world.apply(wanted(service(release="r3"))) == frozenset()
    assert alone(world) == "r3"


def test_an_observation_says_what_is_watched_for_how_long() -> None:
    steps = plan(wanted(service(release="r2", rollout=WATCHED)), serving_v1().observe())
    told = [str(step) for step in steps if isinstance(step, Observe)]
    assert told[0] == "hello: observe green with 5 % of the requests for 30 s"
