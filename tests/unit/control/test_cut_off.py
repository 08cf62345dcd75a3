"""Releases that were cut off, and nodes that came back: the loop's hands. Nodes are in memory, the store is real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.control import catch_up, cut_off
from du_infra.control.catch_up import Tries, bring_along, plan_late
from du_infra.control.context import RegionContext
from du_infra.control.cut_off import cut_off_releases, end_releases
from du_infra.control.heal import Look
from du_infra.control.leave import mark
from du_infra.control.lock import locked
from du_infra.control.release import begin, decide, going_on
from du_infra.errors import Busy, DuError
from du_infra.health.heal import CONTROLLER, Healing, View
from du_infra.progress import silent
from du_infra.release.catch_up import Late
from du_infra.release.cut_off import CutOff
from du_infra.release.plan import entry_of, wanted_of
from du_infra.release.state import Rollout
from tests.unit.control import test_release_commands as commands
from tests.unit.control.test_release_commands import at, serving, start
from tests.unit.release.fake_nodes import FakeNode, FakeNodes

nodes, context = commands.nodes, commands.context
FOR_EVER = 10**9


class Watch:
    """What the loop sees of the region: who is silent, by the word of all others, and who of these is lost."""

    def __init__(self, context: RegionContext, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
        self.context, self.nodes = context, nodes
        self.lost: tuple[str, ...] = ()
        self.told: list[CutOff] = []
        self.late: list[Late] = []
        self.tries: Tries = {}
        for module in (cut_off, catch_up):
            monkeypatch.setattr(module, "look", lambda context: self.look())
        monkeypatch.setattr(cut_off, "plan_heal", lambda context, seen: Healing(lost=self.lost))
        monkeypatch.setattr(catch_up, "Desk", going_on.Desk)

    def look(self) -> Look:
        record = self.context.record
        reports = tuple(self.nodes.look([node.name for node in record.nodes]))
        views = tuple(
            View(told.name, reachable=told.reachable, serving=told.ready, going=not node.staying)
            for told, node in zip(reports, record.nodes, strict=True)
        )
        votes = {told.name: {CONTROLLER: told.reachable, "other": told.reachable} for told in reports}
        return Look(record, reports, views, votes)

    def end(self, context: RegionContext | None = None, *, dry_run: bool = False) -> list[str]:
        return end_releases(context or self.context, silent, self.told.extend, dry_run=dry_run)

    def bring(self) -> tuple[Late | None, DuError | None]:
        return bring_along(self.context, silent, self.tries, self.late.append)


@pytest.fixture
def watch(context: RegionContext, nodes: FakeNodes, monkeypatch: pytest.MonkeyPatch) -> Watch:
    return Watch(context, nodes, monkeypatch)


def died_in_batch_two(context: RegionContext, nodes: FakeNodes, direction: str = "back") -> Rollout:
    """Both nodes were asked for v2, the first has it, and the second has been silent since."""
    row = commands.cut_off(context, nodes)
    nodes.nodes["n2"].silent = FOR_EVER
    asked = {name: {"asked": True} for name in ("n1", "n2")}
    return context.store.rollouts.change(row.id, nodes=asked, direction=direction)


def state(context: RegionContext) -> str:
    return context.store.rollouts.history("home", "hello")[0].state


def test_a_release_whose_controller_died_goes_on_forward(watch: Watch) -> None:
    commands.cut_off(watch.context, watch.nodes)
    (words,) = watch.end()
    assert (state(watch.context), serving(watch.nodes)) == ("done", {"v2"})
    assert str(watch.told[0]).endswith("was cut off, and goes on")
    assert words.endswith("is done")


def test_one_that_is_to_be_held_comes_to_its_preview_and_waits_for_its_person(watch: Watch) -> None:
    plan = begin.plan_release(watch.context, "hello", "v2", begin.Wish(hold=True), silent)
    begin.begin(watch.context, "start", plan.record, plan.previous, plan.options, ["n1", "n2"])
    assert watch.end() == [f"the release of hello {plan.release} is held"]
    assert watch.end() == []
    assert serving(watch.nodes) == {"v1"}


def test_one_that_may_come_back_is_waited_for_and_one_that_is_lost_is_left_out(watch: Watch) -> None:
    died_in_batch_two(watch.context, watch.nodes)
    assert watch.end() == []
    assert watch.told[0].waits == "n2 does not answer, and may come back"
    watch.lost = ("n2",)
    (words,) = watch.end()
    assert "is rolled-back; without n2" in words
    assert watch.nodes.nodes["n1"].serves["hello"].startswith("v1")
    assert watch.context.store.rollouts.open("home") == {}


def test_forward_as_the_plan_says_a_lost_node_turns_it_back(watch: Watch) -> None:
    row, watch.lost = died_in_batch_two(watch.context, watch.nodes, "forward"), ("n2",)
    watch.end()
    ended = watch.context.store.rollouts.get(row.id)
    assert (ended.state, ended.why) == ("rolled-back", "home: n2 does not answer")
    assert watch.nodes.nodes["n1"].serves["hello"].startswith("v1")


def test_what_somebody_works_on_or_holds_is_left_to_them(watch: Watch) -> None:
    row, watch.lost = died_in_batch_two(watch.context, watch.nodes), ("n2",)
    with watch.context.store.leases.held("home/hello", "start of hello"):
        assert (cut_off_releases(watch.context, watch.look(), watch.lost), watch.end()) == ((), [])
    watch.context.store.rollouts.change(row.id, state="held")
    assert watch.end() == []
    assert watch.nodes.told == []


def test_a_dry_run_and_healing_turned_off_only_tell(watch: Watch) -> None:
    died_in_batch_two(watch.context, watch.nodes)
    watch.lost = ("n2",)
    assert watch.end(dry_run=True) == []
    fleet = watch.context.fleet
    region = fleet.regions["home"]
    off = fleet.model_copy(
        update={
            "regions": {"home": region.model_copy(update={"heal": region.heal.model_copy(update={"enabled": False})})}
        }
    )
    assert watch.end(replace(watch.context, fleet=off)) == []
    assert [bool(one.waits) for one in watch.told] == [False, True]
    assert watch.nodes.told == []


def test_while_another_command_works_on_the_region_nothing_is_done(watch: Watch) -> None:
    died_in_batch_two(watch.context, watch.nodes)
    with locked(watch.context, silent), pytest.raises(Busy):
        watch.end()
    with locked(watch.context, silent), pytest.raises(Busy):
        watch.bring()


def test_a_node_that_cannot_go_back_leaves_it_open_and_says_so(watch: Watch) -> None:
    died_in_batch_two(watch.context, watch.nodes)
    watch.nodes.nodes["n2"].silent = 0
    stubborn = watch.nodes.nodes["n1"]
    stubborn.finish = lambda: stubborn.__dict__.update(  # type: ignore[method-assign]
        result={
            "config": stubborn.wanted["config"],
            "ended": True,
            "held": [],
            "failed": {"hello": {"text": "no disk"}},
        }
    )
    with pytest.raises(DuError) as caught:
        watch.end()
    assert "`du-infra node replace n1`" in caught.value.todo
    assert list(watch.context.store.rollouts.open("home")) == ["hello"]


def test_by_hand_a_node_that_is_being_replaced_is_no_reason_to_wait(watch: Watch) -> None:
    """``node replace`` marks it, and its services stage ends what goes back; so does an abort from then on."""
    died_in_batch_two(watch.context, watch.nodes)
    assert decide.abort(watch.context, "", silent).rollouts[0].open
    mark(watch.context, watch.context.record, ["n2"], "replaced")
    ending = decide.abort(watch.context, "", silent)
    assert (ending.rollouts[0].state, ending.error) == ("aborted", None)
    assert watch.nodes.nodes["n1"].serves["hello"].startswith("v1")


def test_a_node_that_was_passed_over_is_brought_along_when_it_is_back(
    tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = commands.HELLO.release.model_copy(update={"max_unavailable": 1})
    allowing = commands.region(tmp_path, watch.nodes, release=rules)
    monkeypatch.setattr(begin, "record_for", lambda *given: at(given[2].tag, release=rules))
    watch.nodes.nodes["n2"].silent = FOR_EVER
    ending = start(allowing)
    assert (ending.rollouts[0].state, ending.missing) == ("done", ("n2",))
    assert watch.bring() == (None, None)
    watch.nodes.nodes["n2"].silent = 0
    assert serving(watch.nodes) == {"v1", "v2"}
    late, error = watch.bring()
    assert (late, error) == (watch.late[0], None)
    assert late is not None
    assert late.node == "n2"
    assert serving(watch.nodes) == {"v2"}
    assert watch.bring() == (None, None)
    assert {row.kind for row in watch.context.store.rollouts.history("home")} == {"up", "start"}


def test_a_node_that_comes_back_after_a_release_went_back_without_it_is_brought_back_too(watch: Watch) -> None:
    died_in_batch_two(watch.context, watch.nodes)
    watch.lost = ("n2",)
    watch.end()
    second = watch.nodes.nodes["n2"]
    second.silent = 0
    second.take(wanted_of("f", "home", [entry_of(at("v2"))]))
    assert serving(watch.nodes) == {"v1", "v2"}
    watch.bring()
    assert serving(watch.nodes) == {"v1"}


def test_one_that_cannot_be_brought_along_is_tried_again_later(watch: Watch) -> None:
    behind: FakeNode = watch.nodes.nodes["n2"]
    plan = begin.plan_release(watch.context, "hello", "v2", begin.Wish(), silent)
    begin.carry_out(watch.context, plan, silent)
    behind.take(wanted_of("f", "home", [entry_of(at("v1"))]))
    behind.finish = lambda: behind.__dict__.update(  # type: ignore[method-assign]
        result={"config": behind.wanted["config"], "ended": True, "held": [], "failed": {"hello": {"text": "no disk"}}}
    )
    late, error = watch.bring()
    assert late is not None
    assert "no disk" in str(error)
    assert behind.serves["hello"].startswith("v1")
    assert len(watch.tries["n2"]) == 1
    assert watch.bring() == (None, None)
    assert plan_late(watch.context, watch.look(), watch.tries).left["n2"].endswith("and is tried again")
