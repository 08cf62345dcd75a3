"""What a name answers when regions die, come back, get other shares, or nobody knows anything."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest

from du_infra.traffic.aim import Settings
from du_infra.traffic.answers import moved
from du_infra.traffic.capacity import Load
from du_infra.traffic.memory import memory_from
from tests.unit.traffic.bed import DOWN, IDLE, SETTINGS, UNSURE, UP, World, address, aim, record


def test_the_first_record_gives_everybody_his_share_at_once() -> None:
    world = World({"home": 70, "away": 30})
    plan = world.turn()
    assert plan.record == record({"home": 70, "away": 30})
    assert [str(one) for one in plan.actions] == ["publish: www.example.com leads to away, home"]
    assert world.run(3600) == []


def test_who_takes_over_and_remembers_nothing_changes_nothing() -> None:
    world = World({"home": 50, "away": 50})
    world.record = record({"home": 80, "away": 20})
    world.settings = replace(SETTINGS, soak=3600)
    world.health = {}
    world.health = {"home": UP, "away": UP}
    assert world.run(600) == []
    assert world.memory is not None
    assert world.memory.base == {"home": 80, "away": 20}


def test_a_dead_region_goes_at_once_and_keeps_its_weight_for_when_it_is_back() -> None:
    world = World({"home": 50, "away": 30, "third": 20})
    world.turn()
    world.health["away"] = DOWN
    plan = world.turn()
    assert plan.record == record({"home": 50, "away": 30, "third": 20}, down=["away"])
    assert [str(one) for one in plan.actions] == [f"fail-over away: {DOWN.why}"]
    assert world.run(60) == []
    world.health["away"] = UP
    plan = world.turn()
    assert plan.record == record({"home": 50, "away": 30, "third": 20})
    assert [str(one) for one in plan.actions] == ["return away: up by 3 of 3"]


def test_when_all_look_down_all_are_given_out_with_their_last_good_weights() -> None:
    world = World({"home": 60, "away": 40})
    world.turn()
    world.health["away"] = DOWN
    world.turn()
    assert world.answers() == {"home": 100}
    world.health["home"] = DOWN
    plan = world.turn()
    assert world.answers() == {"home": 60, "away": 40}
    assert plan.actions[-1].kind == "fail-open"
    assert world.turn().notes == ("all regions look down: all are given out",)
    world.health["home"] = UP
    world.turn()
    assert world.answers() == {"home": 100}


def test_nobody_who_observes_means_nothing_changes() -> None:
    world = World({"home": 60, "away": 40})
    world.turn()
    world.health = dict.fromkeys(world.health, UNSURE)
    assert world.run(600) == []


def test_min_regions_keeps_a_dead_one_in_the_answers_and_says_so() -> None:
    world = World({"home": 60, "away": 40}, replace(SETTINGS, min_regions=2))
    world.turn()
    world.health["away"] = DOWN
    plan = world.turn()
    assert world.answers() == {"home": 60, "away": 40}
    assert plan.record is None
    assert plan.notes == (f"away is given out although it is down, for min_regions ({DOWN.why})",)


def test_of_three_dead_ones_the_last_to_die_is_kept_for_min_regions() -> None:
    world = World({"a": 25, "b": 25, "c": 25, "d": 25}, replace(SETTINGS, min_regions=2))
    world.turn()
    for name in ("a", "b"):
        world.health[name] = DOWN
        world.turn()
    assert world.answers() == {"c": 50, "d": 50}
    world.health["c"] = DOWN
    world.turn()
    assert world.answers() == {"c": 50, "d": 50}
    assert world.run(60) == []


def test_the_two_region_trap_the_small_one_gets_only_what_it_has_room_for() -> None:
    world = World({"big": 95, "canary": 5})
    world.loads = {"big": Load(950, 9.5, 16), "canary": Load(50, 0.5, 4)}
    world.run(4)
    world.health["big"] = DOWN
    world.loads.pop("big")
    plan = world.turn()
    assert world.answers() == {"big": 68, "canary": 32}
    assert [one.kind for one in plan.actions] == ["fail-over", "rest"]
    assert "big keeps 68 % although it is down: the others have no room for more" in plan.notes
    assert world.run(600) == []
    world.loads["canary"] = Load(320, 3.2, 8)  # the autoscaler has made nodes
    world.turn()
    assert world.answers() == {"big": 36, "canary": 64}
    world.loads["canary"] = Load(640, 6.4, 16)
    assert [str(one) for one in world.turn().actions] == ["rest big: nothing: the others have room for all"]
    assert world.answers() == {"canary": 100}
    world.loads["canary"] = Load(640, 6.4, 4)  # nothing is handed back to the dead
    assert world.run(600) == []


def test_a_room_that_trembles_changes_nothing() -> None:
    world = World({"big": 90, "small": 10})
    world.loads = {"big": Load(900, 9.0, 16), "small": Load(100, 1.0, 4)}
    world.run(4)
    world.health["big"] = DOWN
    world.turn()
    for tenth in (1, 3, 0, 2, 4, 1):
        world.loads["small"] = Load(320, 3.2, 4 + tenth / 10)
        assert world.turn().record is None


def test_who_was_never_measured_gets_a_dead_ones_share_and_no_share_by_plan() -> None:
    world = World({"home": 50, "away": 50})
    world.loads = {}
    world.turn()
    world.aim = aim({"home": 80, "away": 20})
    world.now += 3600
    assert world.turn().notes == ("home gets no more: nobody has measured whether it has room",)
    world.health["away"] = DOWN
    world.turn()
    assert world.answers() == {"home": 100}


def test_a_region_that_gets_more_stops_at_each_share_of_the_canary() -> None:
    world = World({"old": 100, "new": 0})
    world.turn()
    world.aim = aim({"old": 0, "new": 100})
    steps = world.run(3600)
    assert [plan.record.endpoints["new"].weight for plan in steps if plan.record] == [5, 25, 50, 100]
    times = [at for at, _ in world.written]
    assert all(after - before >= 300 for before, after in pairwise(times))
    assert [str(one) for one in steps[-1].actions] == [
        "drain old: 50 % → 0 %, 0 % in the end",
        "shift new: 50 % → 100 %, 100 % in the end",
    ]


def test_a_step_waits_until_the_gateways_see_the_last_one() -> None:
    world = World({"old": 100, "new": 0}, replace(SETTINGS, min_requests=100))
    world.turn()
    world.aim = aim({"old": 0, "new": 100})
    world.run(302)
    assert world.answers() == {"old": 95, "new": 5}
    world.run(1000)
    assert world.answers() == {"old": 95, "new": 5}
    assert world.ask().notes == ("the gateways' counts since then are not known yet",)
    world.see({"old": 0.999, "new": 0.001}, 50)
    assert world.ask().notes == ("50 requests are too few to judge by, 100 are needed",)
    world.see({"old": 0.91, "new": 0.09})
    assert world.ask().notes == ("new gets 9 % of 10000 requests, and is told 5 %",)
    world.see({"old": 0.95})
    assert world.ask().notes == ("the gateways of new did not tell what they counted",)
    world.see({"old": 0.932, "new": 0.068})
    world.turn()
    assert world.answers() == {"old": 75, "new": 25}
    world.run(3600)
    assert world.answers() == {"old": 75, "new": 25}


def test_who_gets_more_must_be_up_for_sure_and_have_room() -> None:
    world = World({"old": 100, "new": 0})
    world.turn()
    world.now += 3600
    world.aim = aim({"old": 0, "new": 100})
    world.health["new"] = UNSURE
    assert world.turn().notes == ("new gets no more: no majority",)
    world.health["new"] = UP
    world.loads = {"old": Load(100, 10, 20), "new": Load(0, 0, 2)}
    world.run(3600)
    assert world.answers() == {"old": 84, "new": 16}
    assert "new gets no more: it has room for 16 % of what comes" in world.turn().notes


def test_a_step_by_plan_counts_what_a_dead_region_has_left_to_the_others() -> None:
    world = World({"a": 40, "b": 40, "c": 20}, replace(SETTINGS, capacity={"a": 60.0, "b": 60.0}, steps=()))
    world.loads = {"a": Load(40, 1, 9), "b": Load(40, 1, 9), "c": Load(20, 1, 9)}
    world.run(4)
    world.health["c"] = DOWN
    world.turn()
    assert world.answers() == {"a": 50, "b": 50}
    world.aim = aim({"a": 70, "b": 10, "c": 20})
    world.run(3600)
    assert world.answers() == {"a": 60, "b": 40}


def test_one_region_is_drained_at_a_time_and_never_below_the_minimum() -> None:
    world = World({"a": 25, "b": 25, "c": 25, "d": 25}, replace(SETTINGS, min_regions=2))
    world.turn()
    world.aim = aim({"a": 25, "b": 25, "c": 25, "d": 25}, drained=["a", "b", "c"])
    world.run(2 * 3600)
    assert world.answers() == {"c": 25, "d": 75}
    assert "c is not drained: 1 would be left, and min_regions is 2" in world.turn().notes
    alive = [sum(1 for _ in record.live()) for _, record in world.written]
    assert alive == sorted(alive, reverse=True)
    assert set(alive) == {4, 3, 2}


def test_no_region_is_drained_while_another_is_down_and_a_dead_one_may_be() -> None:
    world = World({"a": 34, "b": 33, "c": 33})
    world.turn()
    world.health["b"] = DOWN
    world.turn()
    world.now += 3600
    world.aim = aim({"a": 1, "b": 1, "c": 1}, drained=["c"])
    assert "c is not drained: one at a time, and b is not up for sure" in world.turn().notes
    world.aim = aim({"a": 1, "b": 1, "c": 1}, drained=["b"])
    world.run(600)
    assert world.memory is not None
    assert world.memory.base == {"a": 50, "b": 0, "c": 50}


def test_a_standby_takes_over_when_all_others_are_down_and_a_drained_one_never_does() -> None:
    world = World({"home": 100, "spare": 0})
    world.turn()
    world.health["home"] = DOWN
    plan = world.turn()
    assert world.answers() == {"spare": 100}
    assert [one.kind for one in plan.actions] == ["fail-over", "standby"]
    world.health["home"] = UP
    world.turn()
    assert world.answers() == {"home": 100}
    world.aim = aim({"home": 100, "spare": 0}, drained=["spare"])
    world.health["home"] = DOWN
    world.turn()
    assert world.answers() == {"home": 100}


def test_a_region_on_its_way_to_its_first_share_takes_over_when_the_others_die() -> None:
    for wanted in ({"old": 0, "new": 100}, {"old": 50, "new": 50}):
        world = World({"old": 100, "new": 0})
        world.loads = {}  # nobody knows its room, and nobody waits for that
        world.turn()
        world.aim = aim(wanted)
        world.turn()  # the soak runs
        world.health["old"] = DOWN
        assert [one.kind for one in world.turn().actions] == ["fail-over", "standby"]
        assert world.answers() == {"new": 100}
        world.run(3600)
        assert world.answers() == {"new": 100}
        world.health["old"] = UP
        world.turn()
        assert world.answers() == {"old": 100}


def test_two_who_want_other_settings_do_not_change_them_for_ever_and_health_goes_first() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    ours, theirs = world.aim, replace(world.aim, ttl=60)
    notes: list[str] = []
    for turn in range(200):
        world.aim = theirs if turn % 2 else ours
        notes += world.turn(0.5).notes
    assert len(world.written) == 1 + SETTINGS.per_hour // 2
    assert any("half of per_hour" in note for note in notes)
    assert world.memory is not None
    assert world.memory.record == world.record, "what was refused is not taken for decided"
    world.health["away"] = DOWN
    world.turn()
    assert world.answers() == {"home": 100}


def test_what_changes_no_answer_and_what_is_put_right_count_for_no_change() -> None:
    world = World({"home": 100})
    world.turn()
    for number in range(40):
        name = f"r{number}"
        ends = {**world.aim.addresses, name: f"198.18.7.{number}"}
        world.aim = replace(world.aim, weights={**world.aim.weights, name: 0}, addresses=ends)
        assert world.turn().record is not None
        world.record = record({"home": 1, "away": 99})  # somebody else
        assert world.turn().record is not None
    assert world.memory is not None
    assert world.memory.changes == ()


def test_standbys_share_alike_and_a_backend_without_weights_takes_that() -> None:
    world = World({"a": 1, "b": 1, "c": 0, "d": 0}, Settings(steps=(), min_requests=0, weighted=False))
    world.turn()
    world.health |= {"a": DOWN, "b": DOWN}
    world.turn()
    assert world.record == record({"a": 1, "b": 1, "c": 1, "d": 1}, down=["a", "b"])


def test_a_standby_without_room_leaves_the_rest_where_it_was() -> None:
    world = World({"home": 100, "spare": 0})
    world.loads = {"home": Load(100, 8, 10), "spare": Load(0, 0, 5)}
    world.run(4)
    world.health["home"] = DOWN
    world.turn()
    assert world.answers() == {"home": 50, "spare": 50}


def test_a_frozen_entrance_changes_nothing_and_says_what_it_would_do() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.settings = replace(SETTINGS, freeze=True)
    world.health["away"] = DOWN
    plan = world.turn()
    assert plan.record is None
    assert plan.notes == (f"frozen, not done: fail-over away: {DOWN.why}",)
    world.settings = SETTINGS
    assert world.turn().record is not None


def test_half_of_the_budget_is_kept_for_failovers_and_all_of_it_is_a_limit() -> None:
    world = World({"home": 50, "away": 50}, replace(SETTINGS, per_hour=4, soak=0))
    world.turn()
    for step in (51, 52, 53):
        world.aim = aim({"home": step, "away": 100 - step})
        world.turn()
    assert world.answers() == {"home": 52, "away": 48}
    assert world.ask().notes == ("it was changed 2 times within an hour, and half of per_hour (4) is for failovers",)
    for standing in (DOWN, UP, DOWN):
        world.health["away"] = standing
        plan = world.turn()
    assert world.answers() == {"home": 52, "away": 48}
    assert plan.notes == ("nothing is changed: it was changed 4 times within an hour, and per_hour is 4",)
    world.now += 3600
    world.turn()
    assert world.answers() == {"home": 100}


def test_when_all_are_down_no_budget_keeps_them_from_being_given_out() -> None:
    world = World({"home": 50, "away": 50}, replace(SETTINGS, per_hour=2))
    world.turn()
    for name in ("home", "away"):
        world.health[name] = DOWN
        world.turn()
        world.health = {"home": UP, "away": UP} if name == "home" else world.health
        world.turn()
    world.health = {"home": DOWN, "away": DOWN}
    world.turn()
    assert world.answers() == {"home": 50, "away": 50}


def test_no_budget_keeps_answers_on_the_dead_alone() -> None:
    world = World({"a": 34, "b": 33, "c": 33}, replace(SETTINGS, per_hour=2))
    world.turn()
    for health in ({"c": DOWN}, {"b": DOWN}):
        world.health |= health
        world.turn()
    world.health["c"] = UP
    assert world.turn().notes[0].startswith("nothing is changed")
    world.health["a"] = DOWN
    world.turn()
    assert world.answers() == {"c": 100}


def test_no_share_is_moved_while_a_dead_region_keeps_a_rest() -> None:
    world = World({"big": 80, "small": 10, "other": 10})
    world.loads = {"big": Load(800, 8, 16), "small": Load(100, 1, 4), "other": Load(100, 1, 4)}
    world.run(4)
    world.health["big"] = DOWN
    world.turn()
    assert world.answers() == {"big": 36, "small": 32, "other": 32}
    world.aim = aim({"big": 40, "small": 30, "other": 30})
    assert world.run(3600) == []
    assert world.turn().notes[0] == "no share is moved while a dead region keeps a rest of its own"


def test_no_more_than_max_shift_moves_by_plan_within_an_hour() -> None:
    world = World({"old": 100, "new": 0}, replace(SETTINGS, max_shift=0.3))
    world.turn()
    world.aim = aim({"old": 0, "new": 100})
    world.run(3500)
    assert world.answers() == {"old": 70, "new": 30}
    assert "0 % may still be moved within this hour by max_shift" in world.turn().notes
    world.run(4 * 3600)
    assert world.answers() == {"new": 100}


def test_a_region_that_left_the_file_goes_out_and_is_forgotten() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.aim = aim({"home": 100})
    del world.health["away"]
    world.run(3600)
    assert world.record == record({"home": 100})


def test_a_new_region_comes_in_by_the_canary() -> None:
    world = World({"home": 100})
    world.turn()
    world.aim = aim({"home": 50, "away": 50})
    world.health["away"], world.loads["away"] = UP, IDLE
    steps = world.run(3600)
    assert [plan.record.endpoints["away"].weight for plan in steps if plan.record] == [0, 5, 25, 50]


def test_addresses_ttl_and_what_somebody_else_wrote_are_put_right_at_once() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.aim = replace(world.aim, ttl=60, addresses={**world.aim.addresses, "away": "203.0.113.9"})
    plan = world.turn()
    assert [one.kind for one in plan.actions] == ["settings"]
    assert plan.record is not None
    assert (plan.record.ttl, plan.record.endpoints["away"].address) == (60, "203.0.113.9")
    world.aim = replace(world.aim, addresses={**world.aim.addresses, "away": "203.0.113.10"})
    assert [str(one) for one in world.turn().actions] == ["settings away: its address is 203.0.113.10"]
    world.record = record({"home": 1, "away": 99}, ttl=60)
    assert world.turn().record is not None
    assert world.answers() == {"home": 50, "away": 50}
    world.record = None
    assert [str(one) for one in world.turn().actions] == ["publish: DNS has no such record"]


def test_what_was_decided_and_not_written_is_written_by_the_next_pass() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.health["away"] = DOWN
    plan = world.ask()
    world.memory = memory_from(json.loads(json.dumps(plan.memory.to_json())))  # and killed
    world.now += 2
    again = world.turn()
    assert again.record == plan.record
    assert world.run(60) == []


def test_memory_outlives_json_and_another_clock() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.health["away"] = DOWN
    world.turn()
    memory = world.memory
    assert memory is not None
    assert memory_from(json.loads(json.dumps(memory.to_json()))) == memory
    later = memory_from(memory.to_json(), shift=-5)
    assert (later.changed, later.changes[0].at) == (memory.changed - 5, memory.changes[0].at - 5)


def test_no_region_with_an_address_is_no_reason_for_an_empty_answer() -> None:
    world = World({"home": 50, "away": 50})
    world.aim = replace(world.aim, addresses={})
    assert world.turn().notes == ("no region has an address yet",)
    assert world.record is None
    world.aim = aim({"home": 50, "away": 50})
    world.turn()
    assert world.answers() == {"home": 50, "away": 50}
    world.aim = aim({"home": 0, "away": 0})
    world.run(3600)
    assert world.answers() == {"home": 50, "away": 50}


def test_a_loss_that_the_others_could_not_bear_is_told_before_it_comes() -> None:
    world = World({"big": 95, "canary": 5})
    world.loads = {"big": Load(950, 9.5, 16), "canary": Load(50, 0.5, 4)}
    world.turn()
    assert world.turn().notes == ("without big the others could bear 32 % of what comes",)


@pytest.mark.parametrize(
    ("before", "after", "share"),
    [({"a": 50, "b": 50}, {"a": 75, "b": 25}, 0.25), ({"a": 1}, {"a": 1}, 0.0), ({"a": 1}, {"b": 1}, 1.0)],
)
def test_what_moves_is_the_share_that_goes_elsewhere(
    before: dict[str, int], after: dict[str, int], share: float
) -> None:
    assert moved(record(before), record(after)) == pytest.approx(share)


def test_many_regions_get_weights_of_their_own() -> None:
    names = [f"r{n}" for n in range(30)]
    world = World(dict.fromkeys(names, 1))
    world.turn()
    assert world.record is not None
    assert {one.weight for one in world.record.endpoints.values()} == {100}
    world.aim = aim({**dict.fromkeys(names, 1), "r0": 3})
    world.run(7200)
    assert world.record.endpoints["r0"].weight == 100
    assert world.record.endpoints["r1"].weight == 33


def test_settings_without_canary_move_at_once() -> None:
    world = World({"old": 100, "new": 0}, Settings(steps=(), min_requests=0))
    world.turn()
    world.now += 3600
    world.aim = aim({"old": 0, "new": 100})
    world.turn()
    assert world.answers() == {"new": 100}


def test_a_backend_without_weights_gets_all_alike_or_nothing() -> None:
    world = World({"a": 1, "b": 1, "c": 1}, Settings(steps=(), min_requests=0, weighted=False))
    world.loads["a"] = Load(30, 3, 1)
    world.run(4)
    assert "a gets 33.3 % of what comes, and has room for 25 %" in world.turn().notes
    assert world.record == record({"a": 1, "b": 1, "c": 1})
    world.memory = None
    assert world.run(600) == []
    world.health["c"] = DOWN
    world.turn()
    assert world.record == record({"a": 1, "b": 1, "c": 1}, down=["c"])
    world.health["c"] = UP
    world.turn()
    world.aim = aim({"a": 1, "b": 1, "c": 1}, drained=["b"])
    world.run(600)
    assert world.record == record({"a": 1, "b": 1, "c": 1})
    assert world.turn().notes[0] == "a gets no more: it has room for 25 % of what comes"
    world.loads["a"] = IDLE
    world.run(600)
    assert world.record == record({"a": 1, "b": 0, "c": 1})


def test_a_plan_tells_programs_what_it_does_and_why() -> None:
    world = World({"home": 50, "away": 50})
    world.turn()
    world.health["away"] = DOWN
    told = json.loads(json.dumps(world.turn().to_json()))
    assert told["record"]["endpoints"]["away"] == {"address": address("away"), "weight": 50, "up": False}
    assert (told["name"], told["weights"]) == ("www.example.com", {"home": 50, "away": 50})
    assert told["actions"] == [{"kind": "fail-over", "region": "away", "why": DOWN.why}]
    assert world.turn().to_json()["record"] is None
