"""A rollout over several nodes, against nodes in memory: forward, back, held, aborted, cut off and gone on with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.control.release.cuts import Pace
from du_infra.control.release.desk import Desk, Ending
from du_infra.control.release.engine import Engine
from du_infra.errors import EngineFailed, NotReady, Refused, Unreachable
from du_infra.progress import silent
from du_infra.release.aim import Aim, Kept
from du_infra.release.options import way_of
from du_infra.release.plan import entry_of, wanted_of
from du_infra.release.rollout import Rules
from du_infra.release.state import Json, Rollout
from du_infra.spec import ServiceSpec
from tests.unit.release.fake_nodes import BAD, FakeNode, FakeNodes, FakeTable, Killed

WAY = way_of(ServiceSpec(image="hello", port=8080))
PACE = Pace(lost=0.2, look=0.001, doubt=0.01, gateway=0.05, request=0.002)


def record(release: str, name: str = "hello") -> Json:
    return {"name": name, "release": release, "tag": release[:2], "start_timeout": 1, "stop_grace": 1, "way": WAY}


RECORDS = {(name, release): record(release, name) for name in ("hello", "shop") for release in ("v1-a", "v2-b", BAD)}


class Region:
    """Nodes that serve v1 of hello, and of shop beside it, with everything a rollout needs."""

    def __init__(self, count: int = 2, **faults: Any) -> None:
        names = [f"n{number}" for number in range(1, count + 1)]
        self.nodes = FakeNodes([FakeNode(name) for name in names], **faults)
        for node in self.nodes.nodes.values():
            node.serves = {"hello": "v1-a", "shop": "v1-a"}
            node.take({**wanted_of("f", "r", [entry_of(record("v1-a", name)) for name in node.serves])})
        self.table = FakeTable()
        self.rules = Rules()

    def begin(self, release: str = "v2-b", **options: Any) -> Rollout:
        rollout = Rollout(0, "r", "hello", "start", release, "v1-a", "ann", {**WAY, **options}, 1.0)
        return self.table.begin(rollout)

    def run(self, rollout: Rollout, order: Sequence[str] = ()) -> Ending:
        row = self.table.rows[rollout.id]
        options = {**row.options["rollout"], "hold": self.rules.hold}
        aim = Aim(
            "f",
            "r",
            {"hello": record(row.release)},
            {"hello": record("v1-a")},
            {"hello": options},
            Kept(RECORDS, {"hello": "v1-a", "shop": "v1-a"}),
        )
        desk = Desk(self.nodes, self.table, silent, pace=PACE)  # type: ignore[arg-type]
        return Engine(desk, aim, self.rules, [row], list(order) or list(self.nodes.nodes)).run()

    @property
    def versions(self) -> set[str]:
        return {node.serves.get("hello", "") for node in self.nodes.nodes.values()}


def test_a_good_release_goes_live_on_every_node_one_after_the_other() -> None:
    region = Region(3)
    ending = region.run(region.begin())
    (row,) = ending.rollouts
    assert (row.state, ending.error) == ("done", None)
    assert region.versions == {"v2-b"}
    assert region.nodes.most_at_once == 1
    assert [name for name, _, _ in region.nodes.told] == ["n1", "n2", "n3"]
    assert {told["serves"] for told in row.nodes.values()} == {"v2-b"}


def test_other_services_stay_as_they_are() -> None:
    region = Region()
    region.run(region.begin())
    assert {node.serves["shop"] for node in region.nodes.nodes.values()} == {"v1-a"}
    assert {asked for _, asked, _ in region.nodes.told} == {"v1-a,v2-b"}


def test_a_failure_on_the_first_node_leaves_the_others_alone_and_says_why() -> None:
    region = Region(3)
    ending = region.run(region.begin(BAD))
    (row,) = ending.rollouts
    assert row.state == "rolled-back"
    assert row.why == "n1/hello: 5 % errors"
    assert isinstance(ending.error, NotReady)
    assert ending.error.done == "went back; n1, n2, n3 serves v1-a"
    assert {name for name, _, _ in region.nodes.told} == {"n1"}


def test_a_failure_in_the_middle_brings_back_those_that_had_switched_in_reverse() -> None:
    region = Region(3)
    rollout = region.begin()
    third = region.nodes.nodes["n3"]
    original = third.take

    def fails(wanted: Json, looks: int = 0) -> None:
        original(wanted, looks)
        if "v2-b" in [entry["release"] for entry in wanted["services"]]:
            third.serves["hello"] = "v1-a"
            third.result["failed"] = {"hello": {"error": "not-ready", "text": "never ready", "service": "hello"}}

    third.take = fails  # type: ignore[method-assign]
    ending = region.run(rollout)
    assert ending.rollouts[0].state == "rolled-back"
    assert region.versions == {"v1-a"}
    back = [(name, now) for name, asked, now in region.nodes.told if asked == "v1-a,v1-a"]
    assert back == [("n3", True), ("n2", True), ("n1", True)]


def test_a_hold_stops_with_a_preview_and_a_promotion_goes_on() -> None:
    region = Region()
    region.rules = Rules(hold=True)
    rollout = region.begin()
    ending = region.run(rollout)
    assert (ending.rollouts[0].state, ending.error) == ("held", None)
    assert region.versions == {"v1-a"}
    assert region.nodes.nodes["n1"].preview == {"hello": "v2-b"}
    region.rules = Rules()
    region.table.change(rollout.id, state="running")
    assert region.run(rollout).rollouts[0].state == "done"
    assert region.versions == {"v2-b"}


def test_a_held_release_of_another_service_stays_on_its_preview() -> None:
    region = Region()
    region.nodes.nodes["n1"].preview = {"shop": "v2-b"}
    region.run(region.begin())
    assert region.nodes.nodes["n1"].preview == {"shop": "v2-b"}
    assert region.nodes.nodes["n1"].serves == {"hello": "v2-b", "shop": "v1-a"}


def test_an_abort_is_noticed_while_a_node_works_and_ends_that_work() -> None:
    region = Region()
    rollout = region.begin()
    gate, inside = threading.Event(), threading.Event()
    original = region.nodes.apply

    def slow(node: str, wanted: Json, listen: Callable[..., None], *, now: bool = False) -> Any:
        if not now:
            inside.set()
            gate.wait(5)
        else:
            gate.set()
        return original(node, wanted, listen, now=now)

    region.nodes.apply = slow  # type: ignore[method-assign]
    runner: list[Ending] = []
    thread = threading.Thread(target=lambda: runner.append(region.run(rollout)))
    thread.start()
    assert inside.wait(5)
    region.table.change(rollout.id, request="bob@desk")
    thread.join(10)
    (ending,) = runner
    assert ending.rollouts[0].state == "aborted"
    assert isinstance(ending.error, Refused)
    assert "bob@desk" in ending.error.what
    assert region.versions == {"v1-a"}


def test_before_runs_once_whatever_is_cut_off_and_its_failure_moves_nothing() -> None:
    region = Region()
    rollout = region.begin(before=["migrate"], before_timeout=5)
    region.nodes.before_error = EngineFailed("the command failed with exit code 3", detail="no such table")
    ending = region.run(rollout)
    assert ending.rollouts[0].state == "failed"
    assert "exit code 3" in ending.rollouts[0].why
    assert ending.error is not None
    assert "no traffic was moved" in ending.error.done
    assert region.nodes.told == []
    region.nodes.before_error = None
    again = region.begin(before=["migrate"], before_timeout=5)
    assert region.run(again).rollouts[0].state == "done"
    assert region.nodes.before_runs == ["1-1.000", "2-1.000"]


def test_an_abort_while_before_runs_stops_it_at_once_and_nothing_was_changed() -> None:
    region = Region()
    rollout = region.begin(before=["migrate"], before_timeout=5)
    region.nodes.on_before = lambda: region.table.change(rollout.id, request="bob@desk") and None
    ending = region.run(rollout)
    assert (ending.rollouts[0].state, region.nodes.before_stopped) == ("aborted", ["1-1.000"])
    assert isinstance(ending.error, Refused)
    assert region.nodes.told == []


def test_an_abort_of_a_release_whose_controller_was_killed_in_before_stops_the_command_once() -> None:
    region = Region()
    rollout = region.begin(before=["migrate"], before_timeout=5)
    row = region.table.change(rollout.id, options={**rollout.options, "before_on": "n1"}, direction="back")
    region.table.change(row.id, request="bob@desk")
    assert region.run(rollout).rollouts[0].state == "aborted"
    assert (region.nodes.before_stopped, region.nodes.before_runs, region.nodes.told) == (["1-1.000"], [], [])


def test_a_node_that_is_silent_when_the_command_is_to_be_stopped_keeps_no_abort_from_ending() -> None:
    region = Region()
    region.nodes.silent_to_stop = True
    rollout = region.begin(before=["migrate"], before_timeout=5)
    region.table.change(
        rollout.id, options={**rollout.options, "before_on": "n1"}, direction="back", request="bob@desk"
    )
    assert region.run(rollout).rollouts[0].state == "aborted"


def test_a_node_that_is_gone_with_the_command_it_ran_is_said_and_nothing_is_run_twice() -> None:
    region = Region()
    rollout = region.begin(before=["migrate"], before_timeout=5)
    region.table.change(rollout.id, options={**rollout.options, "before_on": "n0"})
    ending = region.run(rollout)
    assert (ending.rollouts[0].state, region.nodes.before_runs) == ("failed", [])
    assert "how far it came is not known" in ending.rollouts[0].why


def test_a_registry_that_does_not_answer_the_node_is_no_cut_connection() -> None:
    region = Region()
    region.nodes.before_error = Unreachable("the registry does not answer")
    ending = region.run(region.begin(before=["migrate"], before_timeout=5))
    assert (ending.rollouts[0].state, ending.rollouts[0].why) == ("failed", "the registry does not answer")


def test_nothing_begins_while_a_node_does_not_answer() -> None:
    region = Region()
    region.nodes.nodes["n2"].silent = 10_000
    ending = region.run(region.begin())
    assert ending.rollouts[0].state == "failed"
    assert "n2 does not answer" in ending.rollouts[0].why
    assert region.nodes.told == []


def test_a_node_that_dies_while_it_switches_is_named_with_what_to_type() -> None:
    region = Region()
    rollout = region.begin()
    second = region.nodes.nodes["n2"]
    second.take = lambda *_: setattr(second, "silent", 10_000)  # type: ignore[method-assign]
    original = region.nodes.apply

    def dies(node: str, wanted: Json, listen: Callable[..., None], *, now: bool = False) -> Any:
        if node == "n2":
            second.silent = 10_000
        return original(node, wanted, listen, now=now)

    region.nodes.apply = dies  # type: ignore[method-assign]
    ending = region.run(rollout)
    (row,) = ending.rollouts
    assert (row.state, row.direction) == ("running", "back")
    assert isinstance(ending.error, Unreachable)
    assert "n1 serves v1-a" in ending.error.done
    assert "n2 does not answer" in ending.error.done
    assert "`du-infra node replace n2` puts another in its place" in ending.error.todo
    assert "release abort" in ending.error.todo
    second.silent, second.serves = 0, {"hello": "v2-b", "shop": "v1-a"}
    region.nodes.apply = original  # type: ignore[method-assign]
    del second.take
    assert region.run(rollout).rollouts[0].state == "rolled-back"
    assert region.versions == {"v1-a"}


def test_a_first_release_that_fails_on_one_node_is_not_taken_from_the_others() -> None:
    region = Region()
    for node in region.nodes.nodes.values():
        node.serves = {}
        node.take(wanted_of("f", "r", []))
    rollout = region.table.begin(Rollout(0, "r", "hello", "up", "v2-b", "", "ann", WAY, 1.0))
    second = region.nodes.nodes["n2"]
    second.finish = lambda: second.__dict__.update(  # type: ignore[method-assign]
        result={"config": second.wanted["config"], "ended": True, "held": [], "failed": {"hello": {"text": "no disk"}}}
    )
    aim = Aim("f", "r", {"hello": record("v2-b")}, kept=Kept(RECORDS))
    desk = Desk(region.nodes, region.table, silent, pace=PACE)  # type: ignore[arg-type]
    ending = Engine(desk, aim, Rules(returnable=False), [rollout], ["n1", "n2"]).run()
    assert ending.rollouts[0].state == "failed"
    assert ending.rollouts[0].why == "n2: no disk"
    assert region.nodes.nodes["n1"].serves == {"hello": "v2-b"}


def died() -> None:
    """What a killed controller had begun with single nodes dies with it, before another one comes."""
    for thread in threading.enumerate():
        if thread.name.endswith("(_run)"):
            thread.join()


@settings(max_examples=150, deadline=None)
@given(
    count=st.integers(1, 4),
    batch=st.integers(1, 3),
    faults=st.integers(0, 6),
    seed=st.integers(0, 2**32),
    release=st.sampled_from(["v2-b", BAD]),
    hold=st.booleans(),
    verbs=st.lists(st.sampled_from(["resume", "abort"]), min_size=1, max_size=6),
)
def test_whatever_is_killed_and_cut_every_path_ends_in_one_version_everywhere(
    count: int, batch: int, faults: int, seed: int, release: str, hold: bool, verbs: list[str]
) -> None:
    region = Region(count, faults=faults, seed=seed)
    region.nodes.killable = threading.get_ident()
    region.table.on_get = region.nodes.maybe_kill
    region.rules = Rules(batch=batch, hold=hold)
    rollout = region.begin(release)
    for verb in ["start", *verbs, *["resume"] * 20]:
        row = region.table.rows[rollout.id]
        if not row.open:
            break
        if row.state == "held" or verb == "abort":
            region.rules = replace(region.rules, hold=False)
            region.table.change(rollout.id, state="running")
        if verb == "abort":
            region.table.change(rollout.id, request="ann", direction="back")
        try:
            region.run(rollout)
        except Killed:
            died()
    row = region.table.rows[rollout.id]
    assert not row.open
    assert region.nodes.most_at_once <= batch
    assert region.versions == ({"v2-b"} if row.state == "done" else {"v1-a"})
    assert all(not node.preview for node in region.nodes.nodes.values())
    assert not (release == BAD and row.state == "done")


def test_an_apply_that_a_killed_controller_left_at_work_is_waited_for() -> None:
    region = Region(1)
    rollout = region.begin()
    region.table.change(rollout.id, nodes={"n1": {"asked": True}})
    node = region.nodes.nodes["n1"]
    wanted = wanted_of("f", "r", [entry_of(record("v2-b")), entry_of(record("v1-a", "shop"))])
    node.take(wanted, looks=5)
    assert region.run(rollout).rollouts[0].state == "done"
    assert region.nodes.told == []
