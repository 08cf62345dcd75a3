"""A server on an external datastore: its address, with a password, is in one file for root alone."""

from __future__ import annotations

import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from du_node.errors import NodeError
from du_node.k3s import datastore, files, join, words
from du_node.k3s.endpoint import place
from du_node.k3s.state import state
from tests.unit.node.k3s_bed import TOKEN, Machine
from tests.unit.node.k3s_bed import machine as machine

ENDPOINT = "postgres://k3s:hunter2@198.18.0.9:5432/k3s?sslmode=require"
SERVER = {"role": "server", "token": "0123456789abcdef0123", "datastore": ENDPOINT, "seconds": 5}


def joined(order: dict[str, Any]) -> bool:
    return join.join(join.order_of(order), lambda _: None)


def kept(order: dict[str, Any]) -> tuple[bool, list[str]]:
    told: list[str] = []
    return datastore.keep(order, told.append), told


def test_a_server_is_told_of_the_datastore_and_the_token_in_a_file_for_root_alone(machine: Machine) -> None:
    assert joined(SERVER)
    found = json.loads(Path(files.CONFIG).read_text())
    assert found == {"token": SERVER["token"], "datastore-endpoint": ENDPOINT}
    assert stat.S_IMODE(Path(files.CONFIG).stat().st_mode) == 0o600
    assert not any("hunter2" in word for argv in machine.ran for word in argv)
    told = state()
    assert (told["role"], told["datastore"]) == ("server", "external")
    assert "hunter2" not in json.dumps(told)


def test_a_server_that_becomes_an_agent_knows_it_no_more(machine: Machine) -> None:
    joined(SERVER)
    joined({"role": "agent", "server": "https://198.18.1.2:6443", "token": TOKEN, "seconds": 5})
    assert files.endpoint() == ""
    assert state()["datastore"] == ""


@pytest.mark.parametrize(
    "more",
    [
        {"role": "agent"},
        {"token": ""},
        {"server": "https://198.18.1.2:6443"},
        {"datastore": "postgres://k3s:hunter2@db/k 3s"},
        {"datastore": "hunter2"},
        {"datastore": ["hunter2"]},
    ],
)
def test_a_malformed_order_is_refused_and_nothing_of_it_is_shown(machine: Machine, more: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        joined({**SERVER, **more})
    assert caught.value.kind == "bad-wanted"
    assert "hunter2" not in str(caught.value.line())
    assert machine.ran == []


def test_another_password_is_put_into_use_by_a_new_start(machine: Machine) -> None:
    joined(SERVER)
    assert kept({"datastore": ENDPOINT, "seconds": 5}) == (False, [])
    assert machine.server.starts == 1
    other = ENDPOINT.replace("hunter2", "hunter3")
    changed, told = kept({"datastore": other, "seconds": 5})
    assert changed
    assert (files.endpoint(), machine.server.starts, machine.server.active) == (other, 2, "active")
    assert json.loads(Path(files.CONFIG).read_text())["token"] == SERVER["token"]
    assert "hunter" not in str(told)


def test_killed_before_the_new_start_it_is_told_of_as_a_changed_file(machine: Machine, tmp_path: Path) -> None:
    joined(SERVER)
    booted = time.time() - time.monotonic()
    os.utime(files.CONFIG, (booted - 10, booted - 10))
    assert state()["stale"] == []
    files.move_to(ENDPOINT.replace("hunter2", "hunter3"))
    assert state()["stale"] == [files.CONFIG]


def test_another_database_is_refused_by_its_place_alone(machine: Machine) -> None:
    joined(SERVER)
    with pytest.raises(NodeError, match="does not move along") as caught:
        kept({"datastore": "postgres://k3s:hunter2@elsewhere:5432/k3s"})
    assert caught.value.kind == "refused"
    assert "postgres://198.18.0.9:5432/k3s, and postgres://elsewhere:5432/k3s" in caught.value.what
    assert "hunter2" not in str(caught.value.line())
    assert files.endpoint() == ENDPOINT


def test_who_is_no_server_on_a_datastore_is_left_alone(machine: Machine) -> None:
    assert kept({"datastore": ENDPOINT}) == (False, [])
    joined({"role": "server", "seconds": 5})
    assert kept({"datastore": ENDPOINT}) == (False, [])
    assert files.endpoint() == ""


@pytest.mark.parametrize(
    ("endpoint", "where"),
    [
        (ENDPOINT, "postgres://198.18.0.9:5432/k3s"),
        ("postgres://k3s:a,b@db/k3s", "postgres://db/k3s"),
        ("mysql://k3s:p/w@tcp(db:3306)/k3s", "mysql://tcp(db:3306)/k3s"),
        ("https://a:2379,https://u:p@b:2379", "https://a:2379,https://b:2379"),
        ("postgres://k3s:hunt?er2@db/k3s", "postgres://"),
    ],
)
def test_the_place_of_a_datastore_has_nothing_secret(endpoint: str, where: str) -> None:
    assert place(endpoint) == where


def test_what_k3s_says_of_its_datastore_is_told_in_words() -> None:
    failed = 'level=error msg="Failed to ping database connection: failed to connect to `user=k3s`: %s"'
    refused = failed % "FATAL: password authentication failed for user k3s (SQLSTATE 28P01)"
    assert "see user and password" in words.trouble([refused])
    assert words.trouble([failed % "dial tcp 198.18.0.9:5432: connect: connection refused"]) == (
        "the datastore cannot be used"
    )
    assert "hunter2" not in words.plain(f'level=fatal msg="cannot parse {ENDPOINT}"')
