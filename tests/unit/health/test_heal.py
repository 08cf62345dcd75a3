"""A dead node is started, or replaced; when nothing is done, it is said why."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from du_infra.health.heal import CONTROLLER, PROVIDER, Healing, History, Sighting, Start, View, never_came, plan_healing
from du_infra.spec import Duration, HealSpec, Percent

SETTINGS = HealSpec(dead_after=Duration("30s"))
WELL = View("a-1")
OTHER = View("a-3")
GONE = View("a-2", "gone", reachable=False, serving=False)
STOPPED = replace(GONE, machine="stopped")
SILENT = replace(GONE, machine="running")
SICK = replace(SILENT, reachable=True)
BY_TWO = {"a-2": {CONTROLLER: False, "a-1": False}}
LONG_DEAD = History({"a-2": Sighting("dead", 0.0)})
LONG_SICK = History({"a-2": Sighting("sick", 0.0)})


def plan(
    *views: View, votes: Any = BY_TWO, history: History = LONG_DEAD, settings: HealSpec = SETTINGS, now: float = 60.0
) -> Healing:
    return plan_healing(views, votes, history, settings, now)


def done(healing: Healing) -> list[tuple[str, str]]:
    return [(action.kind, action.node) for action in healing.actions]


def test_a_region_that_is_well_is_left_alone_without_a_word() -> None:
    assert plan(WELL, OTHER, votes={"a-1": {CONTROLLER: True}}) == Healing()


def test_a_node_that_is_dead_by_the_word_of_two_is_replaced_and_its_witnesses_are_named() -> None:
    healing = plan(WELL, SILENT)
    assert done(healing) == [("replace", "a-2")]
    assert healing.actions[0].why == "dead for 60 s by the word of a-1 and du-infra; its machine is running"


def test_it_is_not_replaced_before_its_time() -> None:
    first = plan(WELL, SILENT, history=History(), now=5.0)
    assert (first.actions, first.sightings) == ((), {"a-2": Sighting("dead", 5.0)})
    again = plan(WELL, SILENT, history=History(first.sightings), now=34.0)
    assert (again.actions, again.sightings) == ((), first.sightings)
    assert plan(WELL, SILENT, history=History(again.sightings), now=35.0).actions


def test_one_good_look_and_its_time_begins_anew() -> None:
    assert plan(WELL, replace(SILENT, reachable=True, serving=True), votes={}).sightings == {}


def test_one_witness_is_not_enough_and_is_told_of() -> None:
    healing = plan(WELL, SILENT, votes={"a-2": {CONTROLLER: False}})
    assert healing.actions == ()
    assert healing.why == ("a-2 does not answer du-infra, but nobody else says that it is dead",)


def test_a_node_that_another_node_reaches_is_not_dead() -> None:
    votes = {"a-2": {CONTROLLER: False, "a-1": False, "a-3": True}}
    healing = plan(WELL, OTHER, SILENT, votes=votes)
    assert healing.actions == ()
    assert healing.why == ("a-2 does not answer du-infra, but a-3 reaches it",)


def test_a_stopped_machine_is_started_first() -> None:
    assert done(plan(WELL, STOPPED)) == [("start", "a-2")]


def test_a_paused_machine_is_woken() -> None:
    assert done(plan(WELL, replace(STOPPED, machine="frozen"))) == [("start", "a-2")]


def test_the_only_node_is_started_by_the_providers_word_and_ours() -> None:
    assert done(plan(STOPPED, votes={"a-2": {CONTROLLER: False, PROVIDER: False}})) == [("start", "a-2")]


def test_a_machine_that_was_started_has_time_to_boot() -> None:
    history = replace(LONG_DEAD, started={"a-2": Start(50.0)})
    healing = plan(WELL, SILENT, history=history)
    assert healing.actions == ()
    assert "was started" in healing.why[0]
    assert done(plan(WELL, SILENT, history=history, now=81.0)) == [("replace", "a-2")]


def test_a_machine_that_cannot_be_started_is_replaced_at_once() -> None:
    assert done(plan(WELL, STOPPED, history=replace(LONG_DEAD, started={"a-2": Start(59.0, failed=True)}))) == [
        ("replace", "a-2")
    ]


def test_what_still_exists_is_never_replaced_when_nothing_else_serves() -> None:
    history = replace(LONG_DEAD, started={"a-2": Start(0.0, failed=True)})
    healing = plan(STOPPED, votes={"a-2": {CONTROLLER: False, PROVIDER: False}}, history=history)
    assert healing.actions == ()
    assert "no other node serves" in healing.why[0]


def test_what_is_gone_is_made_anew_even_if_it_was_the_only_one() -> None:
    assert done(plan(GONE, votes={"a-2": {CONTROLLER: False, PROVIDER: False}})) == [("replace", "a-2")]


def test_during_a_release_nothing_is_replaced_and_a_stopped_machine_is_started() -> None:
    history = replace(LONG_DEAD, release="hello: v2-aa is held")
    healing = plan(WELL, SILENT, history=history)
    assert healing.actions == ()
    assert "hello: v2-aa is held" in healing.why[0]
    assert done(plan(WELL, STOPPED, history=history)) == [("start", "a-2")]


def test_who_is_lost_is_known_though_nothing_may_be_replaced_now() -> None:
    assert plan(WELL, SILENT, history=replace(LONG_DEAD, release="hello: v2 was cut off")).lost == ("a-2",)
    assert plan(WELL, SILENT, history=replace(LONG_DEAD, replaced=(1.0, 2.0, 3.0))).lost == ("a-2",)
    assert plan(WELL, SICK, history=LONG_SICK, now=300.0).lost == ("a-2",)


def test_nobody_is_lost_before_its_time_or_while_it_may_still_be_started() -> None:
    assert plan(WELL, SILENT, now=29.0).lost == ()
    assert plan(WELL, STOPPED).lost == ()
    assert plan(WELL, SILENT, history=replace(LONG_DEAD, started={"a-2": Start(50.0)})).lost == ()
    assert plan(WELL, SILENT, votes={"a-2": {CONTROLLER: False, "a-1": True}}).lost == ()
    assert plan(WELL, SILENT, settings=HealSpec(enabled=False)).lost == ()


def test_the_hours_budget_is_kept() -> None:
    history = replace(LONG_DEAD, replaced=(0.0, 1.0, 2.0))
    healing = plan(WELL, SILENT, history=history)
    assert healing.actions == ()
    assert "per_hour is 3" in healing.why[0]
    later = replace(history, sightings={"a-2": Sighting("dead", 3000.0)})
    assert done(plan(WELL, SILENT, history=later, now=3601.0)) == [("replace", "a-2")]


def test_of_two_dead_nodes_only_one_is_replaced_at_once() -> None:
    both = {name: {CONTROLLER: False, "a-1": False} for name in ("a-2", "a-4")}
    history = History({name: Sighting("dead", 0.0) for name in both})
    healing = plan(WELL, SILENT, replace(SILENT, name="a-4"), votes=both, history=history)
    assert done(healing) == [("replace", "a-2")]
    assert "max_share" in healing.why[0]
    wide = HealSpec(max_share=Percent("70%"))
    assert len(plan(WELL, SILENT, replace(SILENT, name="a-4"), votes=both, history=history, settings=wide).actions) == 2


def test_a_node_on_its_way_out_counts() -> None:
    assert plan(WELL, replace(OTHER, going=True), SILENT).actions == ()


def test_a_node_that_answers_and_is_not_ready_gets_ten_times_as_long() -> None:
    assert plan(WELL, SICK, history=LONG_SICK, now=299.0).actions == ()
    healing = plan(WELL, SICK, history=LONG_SICK, now=300.0)
    assert done(healing) == [("replace", "a-2")]
    assert "not ready for 300 s" in healing.actions[0].why


def test_a_sick_node_that_cannot_say_how_it_is_is_told_with_its_words() -> None:
    broken = replace(SICK, why="`du-node status` does not work: no module named json")
    healing = plan(WELL, broken, history=LONG_SICK, now=300.0)
    assert done(healing) == [("replace", "a-2")]
    assert "no module named json" in healing.actions[0].why
    alone = plan(WELL, broken, votes={"a-2": {CONTROLLER: False, "a-1": True}})
    assert "no module named json), but a-1 reaches it" in alone.why[0]


def test_what_is_not_due_yet_is_known_with_its_time() -> None:
    (early,) = plan(WELL, SILENT, history=LONG_DEAD, now=4.0).early
    assert early.startswith("a-2 is dead for 4 s by the word of a-1 and du-infra")
    assert early.endswith("nothing is done within 30 s")
    assert plan(WELL, SILENT).early == ()


def test_a_sick_node_that_dies_is_dead_from_then_on() -> None:
    assert plan(WELL, SILENT, history=LONG_SICK).sightings == {"a-2": Sighting("dead", 60.0)}


def test_turned_off_it_only_tells() -> None:
    healing = plan(WELL, SILENT, settings=HealSpec(enabled=False))
    assert healing.actions == ()
    assert healing.why == ("a-2 is dead, and healing is turned off",)


def test_a_machine_that_never_joined_is_not_judged() -> None:
    assert plan(WELL, replace(SILENT, joined=False)) == Healing()


def test_a_machine_that_was_made_and_never_came_is_given_up_within_the_budget() -> None:
    made = replace(SILENT, joined=False)
    assert never_came([WELL, made, replace(made, name="a-5", reachable=True)], History(), SETTINGS, 60.0) == ("a-2",)
    assert never_came([made], History(), SETTINGS, 60.0, counted=("a-2",)) == ()
    assert never_came([made], History(replaced=(1.0, 2.0, 3.0)), SETTINGS, 60.0) == ()
    assert never_came([replace(made, machine="gone"), SILENT], History(), SETTINGS, 60.0) == ()
