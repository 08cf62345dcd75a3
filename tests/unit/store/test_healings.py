"""What healing remembers outlives the process that saw it, and no clock that jumps gives it a larger budget."""

from __future__ import annotations

import pytest

from du_infra.health.heal import HOUR, Sighting, Start
from du_infra.store import healings, sql
from du_infra.store.database import Store
from tests.shared_store import Opener

DEAD = {"a-2": Sighting("dead", 40.0)}


class Clocks:
    """Both clocks of a machine, and which boot it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic_, self.boot = 1_000_000.0, 100.0, "boot-1"
        monkeypatch.setattr(healings, "time", self)
        monkeypatch.setattr(sql, "now", self.now)
        monkeypatch.setattr(healings, "now", self.now)
        monkeypatch.setattr(healings, "boot", lambda: self.boot)

    def now(self, connection: object) -> float:
        """The clock of the store."""
        return self.wall

    def monotonic(self) -> float:
        return self.monotonic_

    def reboot(self) -> None:
        self.boot, self.monotonic_ = "boot-2", 5.0


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


@pytest.fixture
def store(opened: Opener, clocks: Clocks) -> Store:
    return opened()


def test_what_was_seen_is_there_for_the_next_process(store: Store, opened: Opener) -> None:
    store.healings.see("a", DEAD)
    again = opened().healings.history("a", "hello is held")
    assert (again.sightings, again.release, again.started) == (DEAD, "hello is held", {})
    assert store.healings.history("b", "").sightings == {}


def test_what_is_well_again_is_forgotten_with_its_start(store: Store) -> None:
    store.healings.see("a", DEAD)
    store.healings.started("a-2", failed=True)
    store.healings.see("a", DEAD)
    assert store.healings.history("a", "").started == {"a-2": Start(100.0, failed=True)}
    store.healings.see("a", {})
    store.healings.see("a", DEAD)
    assert store.healings.history("a", "").started == {}


def test_after_a_reboot_of_this_machine_everything_is_seen_anew(store: Store, clocks: Clocks) -> None:
    store.healings.see("a", DEAD)
    clocks.reboot()
    assert store.healings.history("a", "").sightings == {}


def test_a_replacement_counts_for_an_hour_and_its_record_stays(store: Store, clocks: Clocks) -> None:
    store.healings.begin("a", "a-2", "dead for 40 s", 3, "ann@desk")
    clocks.monotonic_ += HOUR - 1
    assert len(store.healings.history("a", "").replaced) == 1
    clocks.monotonic_ += 1
    assert store.healings.history("a", "").replaced == []
    assert [row.node for row in store.healings.all("a")] == ["a-2"]


@pytest.mark.parametrize("jump", [-7200.0, 7200.0])
def test_a_clock_that_is_set_changes_no_budget(store: Store, clocks: Clocks, jump: float) -> None:
    store.healings.begin("a", "a-2", "dead", 3, "ann@desk")
    clocks.wall += jump
    assert len(store.healings.history("a", "").replaced) == 1


def test_the_budget_outlives_a_reboot(store: Store, clocks: Clocks) -> None:
    store.healings.begin("a", "a-2", "dead", 3, "ann@desk")
    clocks.reboot()
    clocks.wall += 60
    assert store.healings.history("a", "").replaced == [5.0 - 60]
    clocks.wall += HOUR
    assert store.healings.history("a", "").replaced == []


def test_an_open_replacement_is_known_until_it_ends(store: Store) -> None:
    store.healings.begin("a", "a-2", "dead for 40 s", 3, "ann@desk")
    assert {name: (row.why, row.nodes) for name, row in store.healings.open("a").items()} == {
        "a-2": ("dead for 40 s", 3)
    }
    store.healings.end("a", ["a-2"], "a-3 took its place")
    assert store.healings.open("a") == {}
    (row,) = store.healings.all("a")
    assert (row.state, row.detail, row.ended) == ("done", "a-3 took its place", 1_000_000.0)


def test_a_region_that_is_forgotten_leaves_nothing(store: Store) -> None:
    store.healings.see("a", DEAD)
    store.healings.begin("a", "a-2", "dead", 3, "ann@desk")
    store.forget("a")
    assert store.healings.all("a") == []
    assert store.healings.history("a", "").sightings == {}
