"""The loop tells each decision once, survives what goes wrong, and tries it again later and later."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from du_infra.autoscale.copies import Copies, Seen
from du_infra.autoscale.state import Decision as Decided
from du_infra.control import mind_backups, mind_releases
from du_infra.control import minder as minding
from du_infra.control.decision import Decision
from du_infra.control.heal import Healed, Look
from du_infra.control.loop import ControlLoop
from du_infra.control.minder import Minder
from du_infra.errors import Busy, EngineFailed, NotReady
from du_infra.health.heal import Action, Healing, Sighting, View
from du_infra.health.resume import Resume
from du_infra.progress import silent
from du_infra.release.catch_up import CatchUp, Late
from du_infra.release.cut_off import CutOff
from du_infra.release.state import Rollout

DEAD = Healing((Action("replace", "a-2", "dead for 31 s"),), (), {"a-2": Sighting("dead", 0.0)})
WAITS = Healing((), ("a-2 is not replaced: hello is held (dead for 31 s)",), {"a-2": Sighting("dead", 0.0)})
WELL = Healing()


class World:
    """Healing and scaling as the loop sees them, with answers set by a test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.plan: Healing = WELL
        self.begun: dict[str, str] = {}
        self.release = ""
        self.half = Resume()
        self.resumed = 0
        self.locked = False
        self.heal: Callable[[], Healed] = lambda: Healed(self.plan, {"a-2": "a-3 took its place"})
        self.healed = 0
        self.now = 1000.0
        self.told: list[tuple[str, str]] = []
        self.autoscale: Any = None
        self.want = 2
        self.copies: tuple[Any, ...] = ()
        self.crowded: tuple[str, ...] = ()
        self.settled = 0
        self.spread: tuple[str, ...] = ("hello: each node has a copy again",)
        monkeypatch.setattr(minding, "look", lambda context: Look(views=(View("a-1"),)))
        monkeypatch.setattr(minding, "plan_heal", lambda context, seen: self.plan)
        monkeypatch.setattr(minding, "unfinished", lambda context: self.begun)
        monkeypatch.setattr(minding, "open_release", lambda context: self.release)
        monkeypatch.setattr(minding, "heal", self._heal)
        self.cut_off: tuple[CutOff, ...] = ()
        self.stuck: Exception | None = None
        self.ended = 0
        self.late: CatchUp = CatchUp()
        self.lame: EngineFailed | None = None
        self.brought = 0
        monkeypatch.setattr(mind_releases, "cut_off_releases", lambda context, seen, lost: self.cut_off)
        monkeypatch.setattr(mind_releases, "end_releases", self._end_releases)
        monkeypatch.setattr(mind_releases, "plan_late", lambda context, seen, tries: self.late)
        monkeypatch.setattr(mind_releases, "bring_along", self._bring_along)
        monkeypatch.setattr(minding, "plan_unfinished", lambda context, seen: self.half)
        monkeypatch.setattr(minding, "resume", self._resume)
        monkeypatch.setattr(mind_backups, "due", lambda context: False)
        monkeypatch.setattr(minding, "plan_autoscale", self._plan_autoscale)
        monkeypatch.setattr(minding, "carry_out", self._carry_out)
        monkeypatch.setattr(minding, "scales", lambda context: bool(self.copies))
        monkeypatch.setattr(minding, "unsettled", lambda context, reports: self.crowded)
        monkeypatch.setattr(minding, "settle", self._settle)
        monkeypatch.setattr(minding, "locked", lambda context, report: nullcontext())
        for module in (minding, mind_releases, mind_backups):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _heal(self, context: object, report: object) -> Healed:
        self.healed += 1
        return self.heal()

    def _resume(self, context: object, report: object, tell: Callable[[Resume], None], *, dry_run: bool) -> Any:
        if self.locked:
            raise Busy("another du-infra (process 7) is at work on region home")
        tell(self.half)
        self.resumed += not dry_run
        return {} if dry_run else dict.fromkeys(self.half.work, "done")

    def _end_releases(self, context: object, report: object, tell: Callable[..., None], *, dry_run: bool) -> list[str]:
        tell(self.cut_off)
        self.ended += not dry_run
        if self.stuck and not dry_run:
            raise self.stuck
        return [] if dry_run else ["the release of hello v2-b is rolled-back"]

    def _bring_along(self, context: object, report: object, tries: object, tell: Callable[[Late], None]) -> Any:
        assert self.late.late
        tell(self.late.late)
        self.brought += 1
        return self.late.late, self.lame

    def _plan_autoscale(self, context: object, reports: object) -> Any:
        class Wanted:
            changes = self.want != 1

            def __str__(self) -> str:
                return "1 → 2: cpu 90 % against 60 %"

        changes = Wanted.changes or bool(self.copies)
        return SimpleNamespace(decision=Wanted(), copies=self.copies, changes=changes)

    def _settle(self, *_: object) -> tuple[str, ...]:
        self.settled += 1
        return self.spread

    def _carry_out(self, *given: object) -> Any:
        up = SimpleNamespace(nodes=("a-1", "a-2")) if self.want != 1 else None
        return SimpleNamespace(up=up, told=bool(self.copies))

    def minder(self, *, dry_run: bool = False) -> Callable[[], Any]:
        minder = Minder("home", self.tell, silent, dry_run=dry_run)
        pool = SimpleNamespace(autoscale=self.autoscale)
        context: Any = SimpleNamespace(spec=SimpleNamespace(pool=pool), must_be_up=lambda: None)
        return lambda: minder.mind(context)

    def tell(self, decision: Decision) -> None:
        self.told.append((decision.kind, decision.text))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_region_that_is_well_is_minded_without_a_word(world: World) -> None:
    mind = world.minder()
    assert (mind(), mind(), world.told) == (None, None, [])


def test_a_replacement_is_told_before_and_after_and_then_that_all_is_well(world: World) -> None:
    mind = world.minder()
    world.plan = DEAD
    mind()
    world.plan = WELL
    mind()
    assert world.told == [
        ("replace", "dead for 31 s"),
        ("done", "a-3 took its place"),
        ("well", "nothing is amiss any more"),
    ]


def test_what_is_left_alone_is_told_once_though_its_age_grows(world: World) -> None:
    mind = world.minder()
    world.plan = WAITS
    mind()
    world.plan = Healing((), (WAITS.why[0].replace("31", "36"),), WAITS.sightings)
    mind()
    assert world.told == [("left", WAITS.why[0])]


def test_a_dry_run_tells_and_does_nothing(world: World) -> None:
    mind = world.minder(dry_run=True)
    world.plan = DEAD
    mind()
    mind()
    assert (world.told, world.healed) == ([("replace", "dead for 31 s")], 0)


def test_a_dry_run_of_a_region_that_is_well_says_what_was_seen_once(world: World) -> None:
    mind = world.minder(dry_run=True)
    mind()
    mind()
    assert world.told == [("well", "nothing is amiss: 1 of 1 node(s) take requests (a-1)")]


def test_a_dry_run_tells_what_is_not_due_yet_and_a_loop_does_not(world: World) -> None:
    world.plan = Healing(sightings={"a-2": Sighting("dead", 0.0)}, early=("a-2 is dead for 4 s",))
    world.minder()()
    assert world.told == []
    world.minder(dry_run=True)()
    assert world.told == [("left", "a-2 is dead for 4 s")]


def test_what_was_cut_off_goes_on(world: World) -> None:
    world.begun = {"a-2": "dead for 31 s"}
    world.minder()()
    assert world.told[0] == ("resume", "its replacement goes on: dead for 31 s")
    assert world.healed == 1


def test_what_was_cut_off_waits_for_an_open_release_without_the_lock(world: World) -> None:
    mind = world.minder()
    world.begun, world.autoscale, world.release = {"a-2": "dead for 31 s"}, object(), "hello: v2 is held"
    mind()
    assert (world.healed, world.told) == (0, [("left", "its replacement waits: hello: v2 is held")])
    world.release = ""
    mind()
    assert world.healed == 1


HALF = Resume(2, {"a-2": "it is to take requests again"})


def test_an_order_that_was_cut_off_goes_on_and_nothing_is_scaled_meanwhile(world: World) -> None:
    mind = world.minder()
    world.half, world.autoscale = HALF, object()
    mind()
    assert world.told == [("resume", "it is to take requests again: that was cut off, and goes on"), ("done", "done")]
    world.half, world.want = Resume(), 1
    mind()
    assert (world.resumed, world.told[-1][0]) == (1, "well")


def test_an_order_that_somebody_is_at_is_not_taken_for_one_that_was_cut_off(world: World) -> None:
    world.half, world.locked = HALF, True
    assert isinstance(world.minder()(), Busy)
    assert [kind for kind, _ in world.told] == ["busy"]


def test_an_order_that_may_not_go_on_is_told_without_the_lock_and_hinders_nothing_else(world: World) -> None:
    world.half = Resume(2, HALF.work, waits="healing is turned off")
    world.autoscale = object()
    world.minder()()
    assert world.told[0] == ("left", "it is to take requests again, and that waits: healing is turned off")
    assert (world.resumed, world.told[1][0]) == (0, "scale")


def test_while_a_node_is_in_a_bad_way_that_comes_first(world: World) -> None:
    world.half, world.plan = HALF, replace(WAITS, sightings={"a-3": Sighting("dead", 0.0)})
    world.minder()()
    assert (world.resumed, [kind for kind, _ in world.told]) == (0, ["left"])


def test_a_node_that_is_not_ready_because_it_was_cut_off_is_no_reason_to_wait(world: World) -> None:
    world.half, world.plan = HALF, Healing(sightings={"a-2": Sighting("sick", 0.0)})
    world.minder()()
    assert world.resumed == 1


def test_a_dry_run_tells_what_was_cut_off_and_goes_on_with_nothing(world: World) -> None:
    world.half = HALF
    world.minder(dry_run=True)()
    assert (world.resumed, [kind for kind, _ in world.told]) == (0, ["resume"])


def test_a_failure_is_told_and_tried_again_later_and_later(world: World) -> None:
    def fail() -> Healed:
        raise EngineFailed("no room", where="LXD", detail="pool is full")

    mind, world.plan, world.heal = world.minder(), DEAD, fail
    error = mind()
    assert isinstance(error, EngineFailed)
    assert world.told[-1] == ("failed", "LXD: no room; pool is full")
    tries = []
    for _ in range(200):
        before = world.healed
        world.now += 1
        mind()
        tries += [world.now] * (world.healed - before)
    assert [round(later - earlier) for earlier, later in pairwise(tries)] == [10, 20, 40, 80]


def test_an_error_of_our_own_does_not_end_the_loop(world: World) -> None:
    mind, world.plan = world.minder(), DEAD
    world.heal = lambda: 1 / 0  # type: ignore[return-value]
    mind()
    assert world.told[-1][0] == "failed"
    assert "ZeroDivisionError" in world.told[-1][1]


def test_while_another_is_at_work_it_waits_without_growing_patience(world: World) -> None:
    def busy() -> Healed:
        raise Busy("process 7 is at work")

    mind, world.plan, world.heal = world.minder(), DEAD, busy
    mind()
    world.now += 0.1
    mind()
    assert world.healed == 2
    assert [kind for kind, _ in world.told] == ["replace", "busy"]


def test_it_scales_where_the_fleet_says_so_and_nothing_is_amiss(world: World) -> None:
    world.autoscale = object()
    world.minder()()
    assert world.told == [("scale", "1 → 2: cpu 90 % against 60 %"), ("done", "2 node(s)")]


def test_copies_of_services_are_scaled_where_nodes_are_not(world: World) -> None:
    busy = Copies("hello", Seen(1, 1, 1), Decided(1, 2, "cpu 90 % against 70 %"))
    world.want, world.copies = 1, (busy,)
    world.minder()()
    assert world.told == [(kind, "hello: 1 → 2: cpu 90 % against 70 %") for kind in ("scale", "done")]


CROWDED = "hello: a-1 has no copy, and a-2 more than one"


def test_copies_that_share_a_node_are_spread_but_not_during_a_release(world: World) -> None:
    mind = world.minder()
    world.crowded, world.release = (CROWDED,), "hello is held"
    mind()
    assert world.settled == 0
    world.release = ""
    mind()
    world.crowded = ()
    mind()
    assert world.settled == 1
    assert world.told[:2] == [("scale", CROWDED), ("done", "hello: each node has a copy again")]
    world.crowded = (CROWDED,)
    world.minder(dry_run=True)()
    assert world.settled == 1


def test_copies_that_cannot_be_spread_are_tried_later_and_later(world: World) -> None:
    mind = world.minder()
    world.crowded, world.spread = (CROWDED,), ()
    tries: list[int] = []
    for second in range(100):
        before, world.now = world.settled, 1000.0 + second
        mind()
        tries += [second] * (world.settled - before)
    assert tries == [0, 5, 15, 35, 75]
    assert world.told == [("scale", CROWDED)]
    world.crowded = ()
    mind()
    world.crowded = (CROWDED,)
    mind()
    assert world.settled == len(tries) + 1


ROW = Rollout(1, "home", "hello", "start", "v2-b", "v1-a", "ann", {}, 1.0, direction="back")
BEHIND = Late("a-2", {"hello": ("v1-a", "v2-b")})


def test_a_release_that_was_cut_off_is_ended_and_then_the_dead_node_is_replaced(world: World) -> None:
    mind = world.minder()
    world.plan, world.cut_off = replace(WAITS, lost=("a-2",)), (CutOff(ROW, lost=("a-2",)),)
    mind()
    assert (world.ended, world.healed) == (1, 0)
    assert world.told[1:] == [
        ("resume", "the release of hello v2-b was cut off, and goes back to v1-a; a-2 is given up"),
        ("done", "the release of hello v2-b is rolled-back"),
    ]
    world.plan, world.cut_off = DEAD, ()
    mind()
    assert (world.ended, world.healed) == (1, 1)


def test_a_release_that_waits_for_a_node_hinders_nothing_else(world: World) -> None:
    world.cut_off, world.autoscale = (CutOff(ROW, "a-2 does not answer, and may come back"),), object()
    world.minder()()
    assert (world.ended, [kind for kind, _ in world.told]) == (0, ["left", "scale", "done"])


def test_a_release_that_does_not_end_is_tried_again_later_and_later(world: World) -> None:
    mind = world.minder()
    world.cut_off, world.stuck = (CutOff(ROW),), NotReady("the old version does not start", where="a-1")
    assert mind() is world.stuck
    assert world.told[-1] == ("failed", "a-1: the old version does not start")
    world.now += 1
    assert (mind(), world.ended) == (None, 1)
    world.now += 5
    mind()
    assert world.ended == 2


def test_a_dry_run_tells_of_releases_and_late_nodes_and_does_nothing(world: World) -> None:
    world.cut_off = (CutOff(ROW),)
    world.minder(dry_run=True)()
    world.cut_off, world.late = (), CatchUp(BEHIND)
    world.minder(dry_run=True)()
    assert (world.ended, world.brought, [kind for kind, _ in world.told]) == (0, 0, ["resume", "resume"])


def test_a_node_that_came_back_with_another_release_is_brought_along(world: World) -> None:
    world.late = CatchUp(BEHIND)
    assert world.minder()() is None
    assert [kind for kind, _ in world.told] == ["resume", "done"]
    assert world.told[0][1].endswith("goes to it: hello v1-a → v2-b")


def test_a_node_that_cannot_be_brought_along_makes_nothing_else_wait(world: World) -> None:
    mind = world.minder()
    world.late, world.lame = CatchUp(BEHIND), EngineFailed("no room", where="a-2")
    assert mind() is world.lame
    world.late = CatchUp(left={"a-2": "it was tried a moment ago, and is tried again"})
    world.plan = DEAD
    mind()
    assert world.healed == 1


def test_while_a_replacement_waits_to_be_tried_again_a_late_node_is_brought_along(world: World) -> None:
    def fail() -> Healed:
        raise EngineFailed("no room")

    mind, world.plan, world.heal, world.late = world.minder(), DEAD, fail, CatchUp(BEHIND)
    mind()
    world.now += 1
    mind()
    assert (world.healed, world.brought) == (1, 1)


def test_it_does_not_scale_while_a_node_is_in_a_bad_way(world: World) -> None:
    world.autoscale, world.plan = object(), WAITS
    world.minder()()
    assert [kind for kind, _ in world.told] == ["left"]


FLEET = "fleet: demo\nregions:\n  home: {provider: lxd}\n  away: {provider: lxd}\nservices: {}\n"


class Passes:
    """Which regions were minded."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.regions: list[str] = []
        monkeypatch.setattr(Minder, "mind", lambda minder, context: self.regions.append(context.name))

    def wait_for(self, region: str) -> None:
        deadline = time.monotonic() + 10
        while region not in self.regions:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Passes:
    return Passes(monkeypatch)


def test_once_minds_every_region_or_those_that_were_named(tmp_path: Path, passes: Passes) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    ControlLoop(tmp_path / "fleet.yaml", [], print, silent).once()
    assert sorted(passes.regions) == ["away", "home"]
    ControlLoop(tmp_path / "fleet.yaml", ["away"], print, silent).once()
    assert sorted(passes.regions) == ["away", "away", "home"]


def put(file: Path, text: str) -> None:
    """In one step: a file that is half-written is a mistake of its own."""
    writing = file.with_suffix(".new")
    writing.write_text(text)
    writing.replace(file)


def test_the_file_is_read_again_and_while_it_is_wrong_its_last_word_holds(tmp_path: Path, passes: Passes) -> None:
    file, told, stop = tmp_path / "fleet.yaml", list[Decision](), threading.Event()
    file.write_text(FLEET)
    running = threading.Thread(target=ControlLoop(file, [], told.append, silent).run, args=(0.1, stop))
    running.start()
    passes.wait_for("home")
    put(file, "fleet: [")
    time.sleep(0.5)
    passes.regions.clear()
    passes.wait_for("home")
    put(file, FLEET.replace("away", "third"))
    passes.wait_for("third")
    stop.set()
    running.join(10)
    assert not running.is_alive()
    (mistake,) = told
    assert (mistake.kind, mistake.region) == ("failed", "")


def test_a_loop_that_nobody_hears_any_more_ends_with_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)

    def mind(minder: Minder, context: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr(Minder, "mind", mind)
    stop = threading.Event()
    with pytest.raises(BrokenPipeError):
        ControlLoop(tmp_path / "fleet.yaml", [], print, silent).run(0.1, stop)


def test_a_loop_that_ends_by_an_error_lets_what_is_under_way_end_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    begun, ended, stop = threading.Event(), list[str](), threading.Event()

    def mind(minder: Minder, context: Any) -> None:
        begun.set()
        assert stop.wait(10)
        ended.append(context.name)

    def read_again(loop: ControlLoop) -> None:
        assert begun.wait(10)
        raise OSError("stale file handle")

    monkeypatch.setattr(Minder, "mind", mind)
    monkeypatch.setattr(ControlLoop, "_read_again", read_again)
    with pytest.raises(OSError, match="stale"):
        ControlLoop(tmp_path / "fleet.yaml", ["home"], print, silent).run(0.1, stop)
    assert ended == ["home"]


def test_a_look_that_was_cut_off_by_the_end_of_the_loop_tells_nothing_and_begins_nothing(world: World) -> None:
    minder = Minder("home", world.tell, silent, stopping=lambda: True)
    world.plan = DEAD
    minder.mind(SimpleNamespace(spec=SimpleNamespace(pool=SimpleNamespace(autoscale=None))))  # type: ignore[arg-type]
    assert (world.told, world.healed) == ([], 0)


def test_a_cluster_is_backed_up_once_a_day_where_nothing_is_amiss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []

    def back_up(*_: object) -> Any:
        made.append(1)
        return SimpleNamespace(backup=SimpleNamespace(name="b1"))

    monkeypatch.setattr(mind_backups, "due", lambda _: not made)
    monkeypatch.setattr(mind_backups, "region_backup", back_up)
    world.minder(dry_run=True)()
    world.plan = WAITS
    mind = world.minder()
    mind()
    assert made == []
    world.plan = WELL
    mind()
    mind()
    assert made == [1]
    assert ("done", "backup b1, read back") in world.told


def test_a_cluster_is_backed_up_though_scaling_goes_on_failing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[float] = []

    def full(*_: object) -> Any:
        raise EngineFailed("the provider has no room for another machine")

    def back_up(*_: object) -> Any:
        made.append(world.now)
        return SimpleNamespace(backup=SimpleNamespace(name="b1"))

    monkeypatch.setattr(mind_backups, "due", lambda _: not made or world.now - made[-1] > 86400)
    monkeypatch.setattr(mind_backups, "region_backup", back_up)
    monkeypatch.setattr(minding, "carry_out", full)
    world.autoscale = object()
    mind = world.minder()
    error = mind()
    assert (str(error), made) == ("the provider has no room for another machine", [1000.0])
    for _ in range(600):
        world.now += 300
        mind()
    assert len(made) == 3


def test_a_backup_that_fails_is_tried_later_and_later_and_keeps_nobody_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []

    def fail(*_: object) -> Any:
        tries.append(world.now)
        raise EngineFailed("the backup cannot be read back", detail="page 3", todo="make another")

    monkeypatch.setattr(mind_backups, "due", lambda _: True)
    monkeypatch.setattr(mind_backups, "region_backup", fail)
    mind = world.minder()
    error = mind()
    assert isinstance(error, EngineFailed)
    assert world.told[-1] == ("failed", "the backup cannot be read back; page 3; make another")
    world.plan = DEAD
    mind()
    assert world.healed == 1, "healing waits for no backup"
    world.plan = WELL
    for _ in range(1500):
        world.now += 1
        mind()
    waits = [round(later - earlier) for earlier, later in pairwise(tries)]
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_no_backup_is_tried_while_another_is_at_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> Any:
        raise Busy("process 7 is at work")

    monkeypatch.setattr(mind_backups, "due", lambda _: True)
    monkeypatch.setattr(mind_backups, "region_backup", lambda *_: pytest.fail("no"))
    monkeypatch.setattr(minding, "carry_out", busy)
    world.autoscale = object()
    assert isinstance(world.minder()(), Busy)
