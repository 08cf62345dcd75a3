"""The store keeps what was written, and says clearly when it cannot be opened."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text, update
from sqlalchemy.exc import DBAPIError

from du_infra.errors import DuError, Refused, SpecError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.store import postgres
from du_infra.store.database import Store
from du_infra.store.tables import meta
from tests.shared_store import Opener

URL = "sqlite:///.du/state.db"
RECORD = PoolRecord("198.18.1.1", 4, (Node("demo-home-4", "1c1g", "198.18.1.2", joined=True),))


def test_the_owner_mark_is_made_once_and_stays(opened: Opener) -> None:
    assert opened().owner() == opened().owner()


def test_two_stores_have_two_owners(tmp_path: Path) -> None:
    assert Store(URL, tmp_path / "a").owner() != Store(URL, tmp_path / "b").owner()


def test_a_pool_comes_back_as_it_was_saved(opened: Opener) -> None:
    opened().save_pool("home", RECORD)
    assert opened().pool("home") == RECORD


def test_saving_a_pool_replaces_the_one_before_and_no_other(store: Store) -> None:
    other = PoolRecord("198.18.1.9", 1, (Node("demo-away-1", "1c1g", "198.18.1.8"),))
    store.save_pool("away", other)
    store.save_pool("home", RECORD)
    store.save_pool("home", PoolRecord("198.18.1.1", 4))
    assert store.pool("home") == PoolRecord("198.18.1.1", 4)
    assert store.pool("away") == other


def test_a_forgotten_region_is_unknown(store: Store) -> None:
    store.save_pool("home", RECORD)
    store.event("home", "up", "started")
    store.forget("home")
    assert store.pool("home") == PoolRecord()
    assert store.regions() == []


def test_a_release_is_kept_once(store: Store) -> None:
    release = {"name": "hello", "release": "v1-1234", "tag": "v1", "digest": "sha256:0"}
    store.record_release("home", release)
    store.record_release("home", release)


def test_a_store_serves_the_fleet_that_came_first_and_no_other(opened: Opener) -> None:
    opened().claim("demo")
    opened().claim("demo")
    with pytest.raises(Refused, match="of the fleet demo, not of staging") as caught:
        opened().claim("staging")
    assert " of its own" in caught.value.todo


def test_a_machine_with_another_key_than_the_nodes_know_is_refused(store: Store) -> None:
    store.claim_key("")
    store.claim_key("ours")
    store.claim_key("new")  # nobody is up who knows the other
    store.save_pool("home", RECORD)
    store.claim_key("new")
    for mark in ("ours", ""):
        with pytest.raises(Refused, match="SSH key"):
            store.claim_key(mark)
    store.forget("home")
    store.claim_key("ours")


def test_the_database_is_for_its_owner_only(tmp_path: Path) -> None:
    Store(URL, tmp_path)
    assert (tmp_path / ".du" / "state.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / ".du").mkdir()
    (tmp_path / ".du" / "state.db").write_bytes(b"not a database at all " * 100)
    with pytest.raises(DuError, match=r"state\.db"):
        Store(URL, tmp_path)


def test_no_error_holds_what_was_to_be_written(opened: Opener) -> None:
    store = opened()
    with pytest.raises(DBAPIError) as caught, store._gate.begin() as connection:
        connection.execute(text("INSERT INTO no_such_table VALUES (:env)"), {"env": "hunter2"})
    assert "no_such_table" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_another_kind_of_store_is_a_mistake_in_the_fleet_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="SQLite or a PostgreSQL"):
        Store("mysql://somewhere/db", tmp_path)


def test_a_store_that_a_newer_du_infra_changed_is_left_alone(opened: Opener) -> None:
    with opened()._gate.begin() as connection:
        connection.execute(update(meta).where(meta.c.key == "schema").values(value="99"))
        connection.execute(update(meta).where(meta.c.key == "shape").values(value="other"))
    postgres.close()  # a process that has seen the store looks no more
    with pytest.raises(Refused, match="schema is 99, ours 1"):
        opened()
