"""What is wanted of the world's entrance, and what was seen and decided, outlives a process, a boot and a machine."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.errors import Busy
from du_infra.health.state import Standing, standing_from
from du_infra.store import sql, traffic
from du_infra.store.database import Store
from du_infra.traffic.course import Course, shift
from du_infra.traffic.guard import Change
from du_infra.traffic.memory import Memory
from du_infra.traffic.state import Endpoint, Record
from du_infra.traffic.waves import Progress
from du_infra.traffic.words import Action

URL = "sqlite:///.du/state.db"
NAME = "www.example.com"
FIRST = Course({"a": 50, "b": 50}, {"hello": {"a": "v1"}})
RECORD = Record(NAME, 30, {"a": Endpoint("198.18.0.1", 50), "b": Endpoint("198.18.0.2", 50, up=False)})
MEMORY = Memory({"a": 50, "b": 50}, RECORD, 90.0, frozenset({"b"}), "fail-over", (Change(80.0, False, 0.5),))
FALLEN = Standing("down", 95.0, leaning=99.0, known=True, falls=(95.0,), why="down by 2 of 3")


class Clocks:
    """Both clocks of a machine, and which boot it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic_, self.boot = 1_000_000.0, 100.0, "boot-1"
        monkeypatch.setattr(traffic, "time", self)
        monkeypatch.setattr(sql, "time", self)
        monkeypatch.setattr(traffic, "boot", lambda: self.boot)

    def time(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.monotonic_

    def reboot(self, away: float) -> None:
        self.boot, self.monotonic_, self.wall = "boot-2", 5.0, self.wall + away


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def store(tmp_path: Path, clocks: Clocks) -> Store:
    return Store(URL, tmp_path)


def test_what_is_wanted_has_a_history_with_who_when_and_why(store: Store, tmp_path: Path) -> None:
    assert store.traffic.course(NAME) is None
    first = store.traffic.set_course(NAME, FIRST, "me@here", "the first one")
    second = store.traffic.set_course(NAME, shift(first, "a", 25), "you@there", "less for a")
    assert (second.number, second.previous, second.actor, second.at) == (2, 1, "you@there", 1_000_000.0)
    again = Store(URL, tmp_path).traffic
    assert again.course(NAME) == second
    assert again.course(NAME, second.previous) == first
    assert again.courses(NAME) == [second, first]
    assert again.course("other.example.com") is None


def test_two_who_change_what_is_wanted_at_once_do_not_overwrite_one_another(store: Store) -> None:
    first = store.traffic.set_course(NAME, FIRST, "me", "")
    store.traffic.set_course(NAME, shift(first, "a", 25), "me", "")
    with pytest.raises(Busy, match="number 2 now"):
        store.traffic.set_course(NAME, shift(first, "a", 75), "you", "")
    assert store.traffic.set_course("other.example.com", FIRST, "you", "").number == 1


def test_a_pass_goes_on_where_the_last_one_ended(store: Store, tmp_path: Path, clocks: Clocks) -> None:
    assert store.traffic.memory(NAME) == (None, Progress())
    store.traffic.remember(NAME, MEMORY)
    store.traffic.remember(NAME, MEMORY, Progress(97.0, frozenset({"a"}), 7))
    clocks.monotonic_ += 50
    assert Store(URL, tmp_path).traffic.memory(NAME) == (MEMORY, Progress(97.0, frozenset({"a"}), 7))


def test_after_a_boot_soaks_and_budgets_go_on_by_the_clock_of_the_wall(store: Store, clocks: Clocks) -> None:
    store.traffic.remember(NAME, MEMORY, Progress(97.0))
    clocks.reboot(away=60.0)
    memory, progress = store.traffic.memory(NAME)
    assert memory is not None
    assert clocks.monotonic_ - memory.changed == 70.0
    assert clocks.monotonic_ - memory.changes[0].at == 80.0
    assert progress.since is not None
    assert clocks.monotonic_ - progress.since == 63.0
    assert replace(memory, changed=90.0, changes=MEMORY.changes) == MEMORY


def test_a_clock_that_was_set_back_makes_nothing_younger(store: Store, clocks: Clocks) -> None:
    store.traffic.remember(NAME, MEMORY)
    clocks.reboot(away=-3600.0)
    memory, _ = store.traffic.memory(NAME)
    assert memory is not None
    assert clocks.monotonic_ - memory.changed == 3610.0


def test_how_regions_stand_is_kept_and_after_a_boot_what_leant_is_seen_anew(store: Store, clocks: Clocks) -> None:
    up = Standing("up", 10.0, known=True)
    store.traffic.see({"a": up, "b": FALLEN})
    store.traffic.see({"a": replace(up, why="up by 3 of 3")})
    store.traffic.see({})
    assert store.traffic.standings() == {"a": replace(up, why="up by 3 of 3"), "b": FALLEN}
    clocks.reboot(away=15.0)
    found = store.traffic.standings()["b"]
    assert (found.state, found.leaning, found.known, found.why) == ("down", None, False, "down by 2 of 3")
    assert (clocks.monotonic_ - found.since, clocks.monotonic_ - found.falls[0]) == (20.0, 20.0)
    store.forget("b")
    assert list(store.traffic.standings()) == ["a"]


def test_who_looks_with_eyes_of_before_writes_over_no_fall_that_another_saw(store: Store, clocks: Clocks) -> None:
    up = Standing("up", 10.0, known=True)
    store.traffic.see({"a": up, "b": up})
    read = store.traffic.standings()
    store.traffic.see({"a": FALLEN}, store.traffic.standings())
    assert store.traffic.see({"a": replace(up, why="late"), "b": replace(up, why="new")}, read) == {"a"}
    assert store.traffic.standings() == {"a": FALLEN, "b": replace(up, why="new")}
    clocks.reboot(away=15.0)
    assert store.traffic.see({"a": up}, store.traffic.standings()) == frozenset()
    assert store.traffic.standings()["a"] == up
    assert store.traffic.see({"c": up}, {"c": FALLEN}) == {"c"}, "the region was forgotten meanwhile"


def test_of_very_many_regions_a_pass_parses_only_what_is_new(
    store: Store, clocks: Clocks, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = {f"r{number}": Standing("up", float(number), why="by 5 of 5, parsed once") for number in range(50)}
    store.traffic.see(up)
    boots, parsed = Counter[str](), Counter[str]()
    monkeypatch.setattr(traffic, "boot", lambda: boots.update(["read"]) or clocks.boot)
    monkeypatch.setattr(traffic, "standing_from", lambda told: parsed.update(["text"]) or standing_from(told))
    assert store.traffic.standings() == up
    store.traffic.see({"r7": FALLEN})
    assert store.traffic.standings() == {**up, "r7": FALLEN}
    assert parsed["text"] <= 51
    assert boots["read"] <= 3, "it is read from the kernel, once for all regions"


def test_every_decision_is_kept_with_its_reasons_and_with_what_was_before(store: Store) -> None:
    after = replace(RECORD, ttl=60)
    out, back = Action("fail-over", "b", "down by 2 of 3"), Action("settings", "", "a TTL of 60 s")
    store.traffic.decided(NAME, "du-infra", [out], ["b keeps nothing"], None, RECORD)
    store.traffic.decided(NAME, "me", [back], [], RECORD, after)
    store.traffic.decided(NAME, "me", [], ["frozen"], after, None)
    found = store.traffic.decisions(NAME)
    assert [(one.actions, one.notes, one.before, one.record) for one in found] == [
        ((), ("frozen",), after, None),
        ((back,), (), RECORD, after),
        ((out,), ("b keeps nothing",), None, RECORD),
    ]
    assert [one.id for one in store.traffic.decisions(NAME, region="b")] == [found[-1].id]
    assert store.traffic.decisions(NAME, limit=1) == found[:1]
    assert store.traffic.decisions("other.example.com") == []


def test_very_many_decisions_do_not_fill_the_disk(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic, "DECISIONS_KEPT", 3)
    for number in range(6):
        store.traffic.decided(NAME, "me", [], [str(number)], None, None)
    store.traffic.decided("other.example.com", "me", [], [], None, None)
    assert [one.notes for one in store.traffic.decisions(NAME)] == [("5",), ("4",), ("3",)]


def test_a_store_of_before_gets_the_tables(tmp_path: Path, clocks: Clocks) -> None:
    Store(URL, tmp_path)
    with sqlite3.connect(tmp_path / ".du" / "state.db") as connection:
        for table in ("traffic_courses", "traffic_memories", "traffic_decisions", "region_standings"):
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    Store(URL, tmp_path).traffic.remember(NAME, MEMORY)
    assert Store(URL, tmp_path).traffic.memory(NAME)[0] == MEMORY
