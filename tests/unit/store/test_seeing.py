"""What is shown of a store, and what was told of its releases."""

from __future__ import annotations

import threading
import time
from typing import Any

from du_infra.release.state import Rollout
from du_infra.store.database import Store
from tests.shared_store import Opener


def rollout(**fields: Any) -> Rollout:
    known = {"id": 0, "region": "home", "service": "hello", "kind": "start", "release": "v2-1", "previous": "v1-1"}
    return Rollout(**{**known, "actor": "ann@desk", "options": {}, "started": time.time(), **fields})


def test_a_release_that_nobody_signs_for_was_cut_off(store: Store) -> None:
    store.rollouts.begin(rollout())
    assert [one.state for one in store.seeing.of("home").releases] == ["cut-off"]
    with store.leases.held("home/hello", "start of hello v2"):
        found = store.seeing.of("home")
        assert [one.state for one in found.releases] == ["running"]
        assert [(one.name, one.what) for one in found.leases] == [("home/hello", "start of hello v2")]
        assert found.leases[0].signed < 30
        assert store.seeing.of("hom").leases == ()
    assert store.seeing.of("home").leases == ()


def test_the_newest_come_first_and_not_all(store: Store) -> None:
    for number in range(30):
        made = store.rollouts.begin(rollout(release=f"v{number}"))
        store.rollouts.end(made.id, "done")
        store.event("home", "up", f"number {number}")
    store.event("away", "up", "of another region")
    found = store.seeing.of("home")
    assert [one.release for one in found.releases[:2]] == ["v29", "v28"]
    assert (len(found.releases), len(found.events)) == (20, 20)
    assert found.events[0].text == "number 29"
    assert not any(one.going_on for one in found.releases)


def test_replacements_are_counted(store: Store) -> None:
    store.healings.begin("home", "a-1", "dead", 2, "ann")
    store.healings.begin("home", "a-2", "dead", 2, "ann")
    store.healings.end("home", ["a-1"])
    found = store.seeing.of("home")
    assert (found.replacing, found.replaced) == (1, 2)


def test_of_several_who_tell_the_same_one_does(store: Store, opened: Opener) -> None:
    others = [opened() for _ in range(4)]
    won: list[bool] = []
    for before, mark in (("", "1 running"), ("1 running", "1 done")):
        ready = threading.Barrier(len(others))

        def tell(one: Store, before: str = before, mark: str = mark, ready: threading.Barrier = ready) -> None:
            ready.wait(30)
            won.append(one.told.tell("home", "hello", before, mark))

        threads = [threading.Thread(target=tell, args=(one,)) for one in others]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (len(won), sum(won)) == (8, 2)
    assert store.told.of("home") == {"hello": "1 done"}


def test_a_region_that_is_forgotten_is_told_of_anew(store: Store) -> None:
    store.told.tell("home", "", "", "seen")
    store.forget("home")
    assert store.told.of("home") == {}
