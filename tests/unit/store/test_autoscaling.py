"""What the autoscaler remembers, over kills, reboots and clocks that are set."""

from __future__ import annotations

import time

import pytest

from du_infra.autoscale.state import Change, Sample
from du_infra.store import autoscaling
from du_infra.store.autoscaling import KEPT_SECONDS, Autoscaling
from du_infra.store.database import Store


@pytest.fixture
def kept(store: Store) -> Autoscaling:
    return store.autoscaling


def test_samples_come_back_as_they_were_the_oldest_first(kept: Autoscaling) -> None:
    new = Sample(100.0, 3, 1, 50.0, 40.0, None, 12.5, None)
    old = Sample(90.0, 2, 0, None, None, 0.5, 0.0, 250.0)
    kept.add("home", new)
    kept.add("home", old)
    kept.add("away", Sample(95.0, 9))
    assert kept.samples("home", 0) == [old, new]
    assert kept.samples("home", 95) == [new]


def test_a_sample_right_after_another_is_not_kept(kept: Autoscaling) -> None:
    for when in (100.0, 101.0, 103.9, 105.0):
        kept.add("home", Sample(when, 1))
    assert [sample.when for sample in kept.samples("home", 0)] == [100.0, 105.0]


def test_old_samples_go(kept: Autoscaling) -> None:
    kept.add("home", Sample(100.0, 1))
    kept.add("home", Sample(100.0 + KEPT_SECONDS + 1, 2))
    assert [sample.nodes for sample in kept.samples("home", 0)] == [2]


def test_samples_of_another_boot_say_nothing(kept: Autoscaling, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.add("home", Sample(100.0, 1))
    monkeypatch.setattr(autoscaling, "boot", lambda: "another")
    assert kept.samples("home", 0) == []
    kept.add("home", Sample(5.0, 2))
    assert [sample.nodes for sample in kept.samples("home", 0)] == [2]


def test_a_change_counts_from_its_beginning_and_then_from_its_end(
    kept: Autoscaling, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    kept.begin("home", 2, 3, "cpu")
    now[0] = 1050.0
    assert kept.changes("home") == [Change(1000, 2, 3, "cpu", ended=False)]
    kept.end("away")
    kept.end("home")
    assert kept.changes("home") == [Change(1050, 2, 3, "cpu")]
    assert kept.changes("away") == []


def test_a_change_outlives_a_reboot_and_no_clock_makes_it_younger(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = store.autoscaling
    kept.begin("home", 2, 3, "cpu")
    wall = time.time()
    monkeypatch.setattr(autoscaling, "boot", lambda: "another")
    for jump in (60, -60):
        monkeypatch.setattr(time, "time", lambda jump=jump: wall + jump)
        (change,) = kept.changes("home")
        age = 0 if store.shared else 60  # several machines go by the server's clock, and ours is nobody's matter
        assert time.monotonic() - change.when == pytest.approx(age, abs=15)


def test_changes_do_not_pile_up(kept: Autoscaling) -> None:
    for number in range(autoscaling._CHANGES_KEPT + 5):
        kept.begin("home", number, number + 1, "")
    found = kept.changes("home")
    assert len(found) == autoscaling._CHANGES_KEPT
    assert found[0].before == 5


def test_a_region_that_is_forgotten_leaves_nothing(store: Store) -> None:
    store.autoscaling.add("home", Sample(100.0, 1))
    store.autoscaling.begin("home", 1, 2, "")
    store.forget("home")
    assert store.autoscaling.samples("home", 0) == []
    assert store.autoscaling.changes("home") == []
