"""The history of releases keeps what happened, and what has ended does not change any more."""

from __future__ import annotations

import sqlite3
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from sqlalchemy import insert

from du_infra.control.release.resolve import kept
from du_infra.release.aim import live_of
from du_infra.release.state import Rollout, State
from du_infra.store.database import Store
from du_infra.store.tables import rollouts as table

STATES: tuple[State, ...] = get_args(State)


def rollout(service: str = "hello", release: str = "v2-bb", **fields: object) -> Rollout:
    known = {"id": 0, "region": "home", "kind": "start", "previous": "v1-aa", "actor": "ann@desk"}
    return Rollout(
        **{**known, "service": service, "release": release, "options": {"batch": 2}, "started": 1.5, **fields}
    )


def test_a_rollout_comes_back_as_it_was_written(store: Store) -> None:
    made = store.rollouts.begin(rollout(nodes={"demo-home-1": {"serves": "v1-aa"}}))
    assert made.id > 0
    assert store.rollouts.get(made.id) == made == rollout(id=made.id, nodes={"demo-home-1": {"serves": "v1-aa"}})


def test_the_newest_comes_first_and_each_service_has_its_own(store: Store) -> None:
    first = store.rollouts.begin(rollout())
    other = store.rollouts.begin(rollout("shop"))
    last = store.rollouts.begin(rollout())
    assert [found.id for found in store.rollouts.history("home")] == [last.id, other.id, first.id]
    assert [found.id for found in store.rollouts.history("home", "hello")] == [last.id, first.id]
    assert store.rollouts.history("away") == []


def test_what_has_ended_does_not_change_any_more(store: Store) -> None:
    made = store.rollouts.begin(rollout())
    ended = store.rollouts.end(made.id, "rolled-back", why="5 % errors")
    assert (ended.state, ended.why, ended.open) == ("rolled-back", "5 % errors", False)
    assert ended.ended is not None
    assert store.rollouts.change(made.id, state="running", why="") == ended


def test_open_are_those_at_work_and_those_held(store: Store) -> None:
    held = store.rollouts.begin(rollout())
    store.rollouts.change(held.id, state="held")
    running = store.rollouts.begin(rollout("shop"))
    store.rollouts.end(store.rollouts.begin(rollout("old")).id, "done")
    assert {name: found.id for name, found in store.rollouts.open("home").items()} == {
        "hello": held.id,
        "shop": running.id,
    }
    assert (store.rollouts.open_of("hello"), store.rollouts.open_of("old")) == ({"home"}, set())


def test_the_last_that_went_live_is_the_one_that_ended_well(store: Store) -> None:
    assert store.rollouts.last_done("home", "hello") is None
    done = store.rollouts.end(store.rollouts.begin(rollout()).id, "done")
    store.rollouts.end(store.rollouts.begin(rollout(release="v3-cc")).id, "rolled-back")
    assert store.rollouts.last_done("home", "hello") == done


def test_which_release_serves_is_known_of_a_service_that_was_not_released_for_long(store: Store) -> None:
    store.rollouts.end(store.rollouts.begin(rollout("billing", "v1-aa", previous="")).id, "done")
    store.rollouts.end(store.rollouts.begin(rollout("billing", "v2-bb", previous="")).id, "failed")
    store.rollouts.end(store.rollouts.begin(rollout("never", "v1-aa", previous="")).id, "failed")
    store.rollouts.end(store.rollouts.begin(rollout("other", region="away")).id, "done")
    busy = rollout("web", "v7-cc", state="done", ended=2.0)
    with store._gate.begin() as connection:
        connection.execute(insert(table), [_row(busy)] * 1000)
    store.rollouts.begin(rollout("web", "v8-dd", previous="v7-cc"))
    context: Any = SimpleNamespace(name="home", store=store)
    assert kept(context).live == {"billing": "v1-aa", "web": "v7-cc"}
    assert [found.service for found in store.rollouts.live("home")].count("web") == 1


def test_what_serves_is_read_off_the_live_ones_as_off_the_whole_history(store: Store) -> None:
    ways = [(state, release, previous) for state in STATES for release in ("v2", "") for previous in ("v1", "")]
    rows = [
        _row(rollout(f"{first} {second}", release, previous=previous, state=state))
        for first, second in product(ways, ways)
        for state, release, previous in (first, second)
    ]
    with store._gate.begin() as connection:
        connection.execute(insert(table), rows)
    history = store.rollouts.history("home", limit=10_000)
    assert live_of(store.rollouts.live("home")) == live_of(history)


def _row(one: Rollout) -> dict[str, object]:
    told = {**vars(one), "options": "{}", "nodes": "{}"}
    return {name: told[name] for name in told if name != "id"}


def test_a_region_that_is_taken_down_leaves_no_history_and_no_lease(store: Store) -> None:
    store.rollouts.begin(rollout())
    stays = store.rollouts.begin(rollout(region="away"))
    with store.leases.held("home/hello", "a release"), store.leases.held("away/hello", "a release"):
        store.forget("home")
        assert store.leases.holder("home/hello") is None
        assert store.leases.holder("away/hello") is not None
    assert store.rollouts.history("home") == []
    assert store.rollouts.history("away") == [stays]


def test_a_number_is_never_given_out_again(store: Store) -> None:
    first = store.rollouts.begin(rollout())
    store.forget("home")
    assert store.rollouts.begin(rollout()).id > first.id


def test_a_store_from_before_there_were_releases_opens(tmp_path: Path) -> None:
    url = "sqlite:///state.db"
    owner = Store(url, tmp_path).owner()
    with sqlite3.connect(tmp_path / "state.db") as old:
        old.execute("DROP TABLE rollouts")
        old.execute("DROP TABLE leases")
    again = Store(url, tmp_path)
    assert again.owner() == owner
    assert again.rollouts.history("home") == []


def test_kept_releases_are_found_by_service_and_id(store: Store) -> None:
    record = {"name": "hello", "release": "v1-aa", "tag": "v1", "digest": "sha256:0", "env": {"A": "1"}}
    store.record_release("home", record)
    store.record_release("home", {**record, "env": {"A": "another"}})
    assert store.releases("home") == {("hello", "v1-aa"): record}
    assert store.releases("away") == {}
