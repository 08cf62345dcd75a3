"""A PostgreSQL that is away, wrong, restarted or shared says so in words, and loses nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import ProgrammingError

from du_infra.errors import Busy, DuError, Refused, SpecError, ToolMissing, Unreachable
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.spec.container import SecretSource
from du_infra.store import owner, postgres, tables
from du_infra.store.database import Store
from du_infra.store.leases import Leases
from du_infra.store.migrate import SCHEMA
from tests.postgres import Postgres
from tests.postgres import postgres as running
from tests.shared_store import Opener

RECORD = PoolRecord("198.18.1.1", 4, (Node("demo-home-4", "1c1g", "198.18.1.2", joined=True),))


@pytest.fixture
def password(server: Postgres) -> SecretSource:
    return SecretSource(file=str(server.password_file))


@pytest.fixture(scope="module")
def stoppable() -> Iterator[Postgres]:
    """A server that nobody else uses."""
    with running() as made:
        yield made


@pytest.fixture
def own(stoppable: Postgres) -> Iterator[Postgres]:
    """One that a test may stop; it runs when the test begins."""
    if not stoppable.runs:
        stoppable.start()
    yield stoppable
    postgres.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not there is not waited for, but where a test is about that."""
    monkeypatch.setattr(postgres, "_RETRY_FOR_SECONDS", 0.0)


def refused(url: str, folder: Path, password: SecretSource | None) -> DuError:
    with pytest.raises(DuError) as caught:
        Store(url, folder, password)
    return caught.value


def test_what_is_wrong_with_a_connection_is_said_in_words(
    server: Postgres, tmp_path: Path, password: SecretSource
) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("not-it")
    wrong.chmod(0o600)
    cases: list[tuple[str, SecretSource | None, type[DuError], str]] = [
        (server.url("none"), password, ToolMissing, "no such database"),
        (server.url("postgres"), SecretSource(file=str(wrong)), ToolMissing, "refuses the password"),
        (server.url("postgres"), None, ToolMissing, "refuses the password"),
        (server.url("postgres", "ann"), password, ToolMissing, "refuses the password"),
        ("postgresql://du@/x?host=/nowhere", password, Unreachable, "does not answer"),
        ("postgresql://du@127.0.0.1:1/x", password, Unreachable, "does not answer"),
        ("postgresql://du@host:port/x", password, SpecError, "no address"),
        (server.url("postgres", more="&colour=blue"), password, ToolMissing, "libpq does not understand"),
    ]
    for url, source, kind, words in cases:
        error = refused(url, tmp_path, source)
        assert type(error) is kind, (url, error, error.detail)
        assert words in error.what
        assert error.todo
        assert "not-it" not in f"{error!r} {error} {error.detail} {error.todo}"


def test_a_user_without_rights_is_told_which_are_missing(
    server: Postgres, tmp_path: Path, password: SecretSource
) -> None:
    server.sql("create database closed")
    error = refused(server.url("closed"), tmp_path, password)
    assert (type(error), error.what) == (ToolMissing, "this user may not do that in the database")
    assert "GRANT" in error.todo


def test_a_password_that_others_may_read_is_not_used(server: Postgres, tmp_path: Path) -> None:
    loose = tmp_path / "loose"
    loose.write_text(server.password)
    loose.chmod(0o644)
    error = refused(server.url("postgres"), tmp_path, SecretSource(file="loose"))
    assert isinstance(error, Refused)
    assert "chmod 600" in error.todo


def test_the_password_is_nowhere_to_be_seen(server: Postgres, shared: Opener) -> None:
    store = shared()
    with pytest.raises(ProgrammingError, match="nonsense") as caught, store._gate.begin() as connection:
        connection.exec_driver_sql("select nonsense")
    told = "".join(traceback.format_exception(caught.value)) + repr(vars(store)) + repr(store._gate.engine)
    told += repr(store._gate.engine.url) + store.where + Path("/proc/self/cmdline").read_text()
    assert server.password not in told


def test_libpqs_own_file_is_enough(server: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"*:*:*:du:{server.password}\n")
    passfile.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passfile))
    assert Store(server.new(), tmp_path).pool("home") == PoolRecord()
    postgres.close()


def test_without_the_driver_one_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert "du-infra[postgres]" in refused("postgresql://du@nowhere/x", tmp_path, None).todo


def test_a_store_on_a_file_needs_no_driver() -> None:
    code = "import sys; import du_infra.store.database; sys.exit('psycopg' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_restart_between_two_commands_is_not_noticed(
    own: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_ASK_AFTER_SECONDS", 0.0)  # a restart here may take less than that
    store = Store(own.new(), tmp_path, SecretSource(file=str(own.password_file)))
    store.save_pool("home", RECORD)
    for how in (signal.SIGINT, signal.SIGQUIT):
        own.stop(how)
        own.start()
        assert store.pool("home") == RECORD


def test_a_server_that_comes_back_within_some_seconds_is_waited_for(
    own: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_ASK_AFTER_SECONDS", 0.0)
    store = Store(own.new(), tmp_path, SecretSource(file=str(own.password_file)))
    store.save_pool("home", RECORD)
    own.stop()
    with pytest.raises(Unreachable, match="does not answer"):
        store.pool("home")
    monkeypatch.setattr(postgres, "_RETRY_FOR_SECONDS", 60.0)
    asked: list[Any] = []
    asking = threading.Thread(target=lambda: asked.append(store.pool("home")))
    asking.start()
    time.sleep(0.5)
    own.start()
    asking.join()
    assert asked == [RECORD]


def test_a_server_that_goes_in_the_middle_ends_a_command_and_nothing_is_half_done(
    own: Postgres, tmp_path: Path
) -> None:
    store = Store(own.new(), tmp_path, SecretSource(file=str(own.password_file)))
    store.save_pool("home", RECORD)
    with pytest.raises(Unreachable, match="went away") as caught, store._gate.begin() as connection:
        connection.execute(tables.nodes.delete())
        own.stop()
        own.start()
        connection.execute(insert(tables.meta).values(key="x", value="y"))
    assert "nothing is half done" in caught.value.todo
    assert store.pool("home") == RECORD


def test_a_lease_outlives_a_restart_of_the_server(own: Postgres, tmp_path: Path) -> None:
    store = Store(own.new(), tmp_path, SecretSource(file=str(own.password_file)))
    leases = Leases(store._gate, shared=True, beat=0.1)
    with leases.held("home/x", "a release") as lease:
        own.stop()
        time.sleep(0.5)
        own.start()
        time.sleep(0.5)
        lease.check()
        with pytest.raises(Busy), leases.held("home/x", "another"):
            pass


def test_a_lease_whose_end_the_server_does_not_hear_of_is_no_error(own: Postgres, tmp_path: Path) -> None:
    store = Store(own.new(), tmp_path, SecretSource(file=str(own.password_file)))
    with store.leases.held("home/x", "a release"):
        own.stop()


@pytest.mark.parametrize("wrong", [3600.0, -3600.0])
def test_leases_go_by_the_servers_clock_whatever_ours_says(
    shared: Opener, monkeypatch: pytest.MonkeyPatch, wrong: float
) -> None:
    store, right = shared(), time.time()
    leases = Leases(store._gate, shared=True, beat=0.05)
    monkeypatch.setattr(time, "time", lambda: right + wrong)
    with leases.held("home/x", "a release"):
        elsewhere = str(owner.Owner("ann", "elsewhere", "b", "1", 1, "1"))
        with store._gate.begin() as connection:
            connection.execute(tables.leases.update().values(owner=elsewhere, token="another"))
        with pytest.raises(Busy), leases.held("home/x", "too early"):
            pass
        with store._gate.begin() as connection:
            connection.execute(tables.leases.update().values(beat=tables.leases.c.beat - 60))
        with leases.held("home/x", "it was silent for long"), store._gate.connect() as connection:
            (row,) = connection.execute(tables.leases.select())
            assert abs(row.taken - right) < 600


def test_several_processes_make_the_tables_at_once(shared: Opener) -> None:
    code = shared.code + "print(opened().owner())"
    racers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [racer.communicate(timeout=120)[0] for racer in racers]
    assert len(set(said)) == 1
    assert said[0]


def test_an_older_store_gets_the_columns_that_it_lacks(server: Postgres, shared: Opener) -> None:
    shared().save_pool("home", RECORD)
    postgres.close()
    database = shared.url.partition("@/")[2].partition("?")[0]
    server.sql("alter table leases drop column token; delete from meta where key = 'shape'", database)
    store = shared()
    with store.leases.held("home/x", "a release"):
        assert store.pool("home") == RECORD
    assert server.sql("select value from meta where key = 'schema'", database) == str(SCHEMA)


def test_two_that_write_the_same_rows_at_once_follow_one_another(shared: Opener) -> None:
    store = shared()
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for turn in range(20):
                store.save_pool("home", PoolRecord("198.18.1.1", turn, RECORD.nodes), (number, "mark"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert store.pool("home").nodes == RECORD.nodes
