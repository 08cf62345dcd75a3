"""The loop's part: each decision told once, and no trouble ends it."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from du_infra.control.decision import Decision
from du_infra.control.traffic import minder
from du_infra.control.traffic.minder import TrafficMinder
from du_infra.control.traffic.sightings import Board
from du_infra.control.traffic.watcher import Watcher
from du_infra.errors import EngineFailed, Unreachable
from du_infra.progress import silent
from tests.unit.control_traffic.world import NAME, World


class Eyes(Watcher):
    """A watcher that sees what the world shows."""

    def __init__(self, world: World) -> None:
        super().__init__(lambda *_: [])
        self._world = world
        self.stopped = False

    def start(self) -> None:
        return

    def stop(self) -> None:
        self.stopped = True

    def board(self) -> Board:
        return self._world.board()

    def once(self, seconds: float) -> Board:
        return self._world.board()


class Bed:
    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool = False) -> None:
        self.world = world
        self.told: list[Decision] = []
        self.eyes: list[Eyes] = []
        monkeypatch.setattr(minder, "time", SimpleNamespace(monotonic=lambda: world.now))
        self.minder = TrafficMinder(self.told.append, silent, dry_run=dry_run, watcher=self._watcher)
        self.entrance = world.entrance()

    def _watcher(self) -> Watcher:
        self.eyes.append(Eyes(self.world))
        return self.eyes[-1]

    def run(self, seconds: float) -> None:
        end = self.world.now + seconds
        while self.world.now < end:
            self.minder.mind(self.entrance)
            desk = self.minder._desk
            if desk and desk.dns._asking:
                desk.dns._asking.join()
            self.world.now += 1.0

    def kinds(self) -> list[str]:
        found = [f"{one.kind} {one.region}".strip() for one in self.told]
        self.told.clear()
        return found


@pytest.fixture
def bed(world: World, monkeypatch: pytest.MonkeyPatch) -> Bed:
    return Bed(world, monkeypatch)


def test_what_is_done_is_told_once_and_then_that_all_is_well(bed: Bed) -> None:
    bed.run(20)
    assert bed.kinds() == ["publish"]
    bed.world.dies("b")
    bed.run(15)
    assert bed.kinds() == ["left b", "fail-over b"] or bed.kinds() == []
    bed.world.dies()
    bed.run(60)
    assert "return b" in bed.kinds()


def test_a_region_whose_death_is_only_leaning_is_told_and_then_forgotten(bed: Bed) -> None:
    bed.run(3)
    bed.kinds()
    bed.world.dies("b")
    bed.run(2)
    bed.world.dies()
    bed.run(5)
    assert bed.kinds() == ["left b", "well"]


def test_trouble_is_told_once_tried_again_later_and_over(bed: Bed) -> None:
    bed.world.dns.broken = Unreachable("does not answer", where="ns1")
    bed.run(40)
    assert bed.kinds() == ["failed"]
    bed.world.dns.broken = None
    bed.run(40)
    assert bed.kinds() == ["publish", "well"] or bed.world.live == "abc"


def test_trouble_with_writing_holds_up_a_failover_by_half_a_minute_at_most(bed: Bed) -> None:
    bed.run(5)
    bed.world.dns.broken = EngineFailed("gdnsd does not take it")
    bed.world.dies("b")
    bed.run(120)
    bed.world.dns.broken = None
    bed.run(32)
    assert bed.world.live == "ac"


def test_a_server_that_answers_something_else_is_told_and_written_to_again(bed: Bed) -> None:
    bed.run(5)
    bed.kinds()
    good = bed.world.dns.record
    assert good is not None
    bed.world.dns.answers = replace(good, ttl=7)
    writes = len(bed.world.dns.writes)
    bed.run(60)
    assert bed.kinds() == ["failed"]
    assert 2 <= len(bed.world.dns.writes) - writes <= 8
    bed.world.dns.answers = None
    bed.run(40)
    assert bed.kinds() == ["well"]


def test_a_dry_run_says_what_would_be_done_and_does_not(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bed = Bed(world, monkeypatch, dry_run=True)
    bed.run(10)
    assert bed.kinds() == ["publish"]
    assert world.dns.record is None


def test_a_dry_run_of_one_with_nothing_to_do_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    Bed(world, monkeypatch).run(3)
    bed = Bed(world, monkeypatch, dry_run=True)
    assert bed.minder.once(bed.entrance) is None
    (told,) = bed.told
    assert (told.kind, told.text) == ("well", f"nothing is to be done: {NAME} leads to a, b, c")


def test_a_single_pass_gives_back_what_went_wrong(bed: Bed) -> None:
    bed.world.dns.broken = EngineFailed("no")
    error = bed.minder.once(bed.entrance)
    assert error is not None
    assert error.exit_code == 5


def test_another_fleet_file_is_followed_by_the_same_eyes_and_closing_ends_them(bed: Bed) -> None:
    bed.run(3)
    text = bed.world.file.read_text()
    bed.world.write(text.replace("record: www", "record: web"))
    bed.entrance = bed.world.entrance()
    bed.world.dns.record = None
    bed.run(3)
    assert bed.world.dns.record is not None
    assert bed.world.dns.record.name == "web.example.com"
    bed.minder.close()
    assert [one.stopped for one in bed.eyes] == [True]


def test_it_passes_at_least_twice_a_second(bed: Bed) -> None:
    bed.run(1)
    assert bed.minder.pause == 0.5


def test_decisions_can_be_told_as_json(bed: Bed) -> None:
    bed.run(2)
    assert json.loads(json.dumps(vars(bed.told[0])))["kind"] == "publish"
