"""A store that an earlier du-infra made is opened, keeps what it holds, and gets what came since."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.store.database import Store

URL = "sqlite:///.du/state.db"
# The tables as du-infra 0.2 made them.
OLD = """
CREATE TABLE meta (key VARCHAR NOT NULL, value TEXT NOT NULL, PRIMARY KEY (key));
CREATE TABLE regions (name VARCHAR NOT NULL, vip VARCHAR NOT NULL, counter INTEGER NOT NULL, PRIMARY KEY (name));
CREATE TABLE nodes (
    name VARCHAR NOT NULL, region VARCHAR NOT NULL, size VARCHAR NOT NULL, address VARCHAR NOT NULL,
    role VARCHAR NOT NULL, joined BOOLEAN NOT NULL, PRIMARY KEY (name)
);
CREATE INDEX ix_nodes_region ON nodes (region);
INSERT INTO meta VALUES ('owner', 'abc'), ('fleet', 'demo');
INSERT INTO regions VALUES ('home', '198.18.1.1', 4);
INSERT INTO nodes VALUES ('demo-home-4', 'home', '1c1g', '198.18.1.2', 'worker', 1);
"""
NODE = Node("demo-home-4", "1c1g", "198.18.1.2", joined=True)
OPEN = """
import sys
from pathlib import Path
from du_infra.store.database import Store
sys.stdin.readline()
print(Store("sqlite:///.du/state.db", Path(sys.argv[1])).pool("home").nodes[0].name)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".du").mkdir()
    connection = sqlite3.connect(tmp_path / ".du" / "state.db")
    connection.executescript(OLD)
    connection.close()
    return tmp_path


def test_an_old_store_keeps_owner_and_nodes_and_takes_what_is_new(folder: Path) -> None:
    store = Store(URL, folder)
    assert store.owner() == "abc"
    assert store.pool("home") == PoolRecord("198.18.1.1", 4, (NODE,))
    leaving = PoolRecord("198.18.1.1", 4, (Node("demo-home-4", "1c1g", "198.18.1.2", joined=True, state="leaving"),))
    store.save_pool("home", leaving, (2, "mark"))
    again = Store(URL, folder)
    assert again.pool("home") == leaving
    wish = again.pool_wish("home")
    assert wish
    assert (wish.nodes, wish.mark) == (2, "mark")


def test_an_older_du_infra_goes_on_writing_to_a_store_that_was_brought_up_to_date(folder: Path) -> None:
    Store(URL, folder)
    connection = sqlite3.connect(folder / ".du" / "state.db")
    with connection:
        columns = "(name, region, size, address, role, joined)"
        connection.execute(f"INSERT INTO nodes {columns} VALUES ('demo-home-5', 'home', '1c1g', '198.18.1.3', 'w', 0)")
    connection.close()
    assert [node.state for node in Store(URL, folder).pool("home").nodes] == ["", ""]


def test_several_processes_bring_it_up_to_date_at_once(folder: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(folder)]
    racers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("\n")
        racer.stdin.flush()
    ends = [racer.communicate(timeout=60) for racer in racers]
    assert [out for out, _ in ends] == ["demo-home-4\n"] * 3, ends


def test_a_wish_is_kept_by_region_and_forgotten_with_it(folder: Path) -> None:
    store = Store(URL, folder)
    assert store.pool_wish("home") is None
    store.save_pool_wish("home", 3, "a")
    store.save_pool_wish("home", 5, "b")
    store.save_pool_wish("away", 1, "c")
    wish = store.pool_wish("home")
    assert wish
    assert (wish.nodes, wish.mark) == (5, "b")
    assert "@" in wish.actor
    store.forget("home")
    assert store.pool_wish("home") is None
    assert store.pool_wish("away")
