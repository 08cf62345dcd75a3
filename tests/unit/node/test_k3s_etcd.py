"""A server's data on etcd: who its members are, the move there from sqlite, and back when it fails."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from du_infra.control.cluster.readback import read_back
from du_infra.errors import EngineFailed
from du_node.command import Done
from du_node.errors import NodeError
from du_node.k3s import backup, etcd, files, join, move, snapshot
from du_node.k3s import state as state_of
from du_node.k3s.state import state
from tests.unit.node import k3s_server
from tests.unit.node.k3s_bed import TOKEN, Machine, node
from tests.unit.node.k3s_bed import machine as machine

SERVER = {"role": "server", "seconds": 5}
FAILED = 'level=fatal msg="Error: failed to migrate content from sqlite to etcd: no"'


@pytest.fixture
def home(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """K3s's folder of a server that runs on sqlite."""
    monkeypatch.setattr(move, "NOTE", str(tmp_path / "move.json"))
    monkeypatch.setattr(move, "_POLL_SECONDS", 0.0)
    monkeypatch.setattr(state_of, "etcd", lambda: {"members": [], "healthy": True})
    join.join(join.order_of(SERVER), lambda _: None)
    folder = Path(files.DATA, "server")
    k3s_server.fill(folder)
    return folder


def begun(home: Path) -> None:
    (home / "db/etcd/member/wal").mkdir(parents=True)


def moves(monkeypatch: pytest.MonkeyPatch, home: Path, machine: Machine, *, breaks: bool = False) -> None:
    """K3s at its next start with cluster-init: etcd begins, and the database is put aside, or not."""
    plain = machine.run

    def run(argv: list[str], **given: object) -> Any:
        if argv[:2] == ["systemctl", "restart"]:
            assert json.loads(Path(files.CONFIG).read_text())["cluster-init"] is True
            begun(home)
            if breaks:
                machine.server.says = [FAILED]
            else:
                (home / "db/state.db").rename(home / "db/state.db.migrated")
        return plain(argv, **given)

    monkeypatch.setattr("du_node.k3s.unit.run", run)


def test_a_cluster_may_begin_on_etcd(machine: Machine) -> None:
    join.join(join.order_of({**SERVER, "etcd": True}), lambda _: None)
    assert json.loads(Path(files.CONFIG).read_text()) == {"cluster-init": True}
    with pytest.raises(NodeError, match="etcd is for the server that begins a cluster"):
        join.order_of({**SERVER, "etcd": True, "server": "https://h:6443", "token": TOKEN})


def test_the_data_moves_once(home: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    moves(monkeypatch, home, machine)
    assert move.migrate(5, lambda _: None)
    assert (files.datastore(), move.migration(), machine.server.active) == ("etcd", "", "active")
    assert 0 <= (move.moved_s() or 0) < 5
    assert not move.migrate(5, lambda _: None)
    assert machine.server.starts == 2
    assert state()["etcd"] == {"members": [], "healthy": True}


def test_since_when_the_data_is_there_is_told(home: Path, machine: Machine) -> None:
    assert state()["moved_s"] is None
    move._note("moving")
    assert state()["moved_s"] is None
    begun(home)
    (home / "db/state.db").unlink()
    assert state()["moved_s"] == state()["up_s"], "whoever did it was killed before it was written down"
    assert not move.migrate(5, lambda _: None)
    assert state()["moved_s"] < state()["up_s"]


def test_a_move_that_breaks_off_stops_k3s_and_is_undone(
    home: Path, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves(monkeypatch, home, machine, breaks=True)
    with pytest.raises(NodeError, match="K3s broke it off") as caught:
        move.migrate(5, lambda _: None)
    assert "failed to migrate" in caught.value.detail
    assert (machine.server.active, machine.server.enabled) == ("inactive", False), "half an etcd is not started again"
    assert state()["migration"] == "failed"
    with pytest.raises(NodeError, match="is to be undone first"):
        move.migrate(5, lambda _: None)
    monkeypatch.setattr("du_node.k3s.unit.run", machine.run)
    assert move.undo(5, lambda _: None)
    assert (files.datastore(), machine.server.active) == ("sqlite", "active")
    assert json.loads(Path(files.CONFIG).read_text()) == {}
    assert state()["migration"] == "undone"


def test_one_that_comes_up_on_half_an_etcd_has_failed(home: Path, machine: Machine) -> None:
    move._note("moving")
    assert move.migration() == "", "it has not begun"
    begun(home)
    assert move.migration() == "failed"
    machine.server.active = "activating"
    machine.server.comes_up = None
    assert move.migration() == "", "it is on its way"
    machine.server.says = [FAILED]
    assert move.migration() == "failed"


def test_what_was_put_aside_comes_back(home: Path, machine: Machine) -> None:
    begun(home)
    (home / "db/state.db").rename(home / "db/state.db.migrated")
    assert move.undo(5, lambda _: None)
    assert (home / "db/state.db").exists()
    assert not (home / "db/etcd").exists()


def test_nothing_is_removed_where_there_is_nothing_to_go_back_to(home: Path, machine: Machine) -> None:
    begun(home)
    (home / "db/state.db").unlink()
    with pytest.raises(NodeError, match="no sqlite database to go back to"):
        move.undo(5, lambda _: None)
    assert files.has_etcd()


def test_members_are_named_by_their_nodes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = [
        {"ID": 1, "name": "demo-home-1-0a1b2c3d", "peerURLs": ["https://198.18.1.2:2380"]},
        {"ID": 2, "peerURLs": ["https://198.18.1.3:2380"], "isLearner": True},
    ]
    asked: list[urllib.request.Request] = []

    def answer(request: Any, **_: object) -> io.BytesIO:
        if isinstance(request, str):
            return io.BytesIO(b'{"health":"true","reason":""}')
        asked.append(request)
        return io.BytesIO(json.dumps({"members": listed}).encode())

    monkeypatch.setattr(etcd.ssl, "create_default_context", lambda **_: None)
    monkeypatch.setattr(urllib.request, "urlopen", answer)
    first = {"name": "demo-home-1", "address": "198.18.1.2", "learner": False}
    second = {"name": "", "address": "198.18.1.3", "learner": True}
    assert etcd.etcd() == {"members": [first, second], "healthy": True}
    word = base64.b64encode(b"server:0123456789abcdef").decode()
    assert asked[0].headers == {"Authorization": f"Basic {word}"}


def test_an_etcd_that_does_not_answer_has_no_members(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    assert etcd.etcd() == {"members": None, "healthy": False}


@pytest.mark.parametrize(
    ("notes", "removing"),
    [
        ({}, False),
        ({"etcd.k3s.cattle.io/remove": "true"}, True),
        ({"etcd.k3s.cattle.io/remove": "false"}, False),
        ({"etcd.k3s.cattle.io/remove": "true", "etcd.k3s.cattle.io/removed-node-name": "x-1"}, False),
    ],
)
def test_whom_etcd_is_to_let_go(home: Path, machine: Machine, notes: dict[str, str], removing: bool) -> None:
    machine.nodes = [node("demo-home-1", server=True)]
    machine.nodes[0]["metadata"]["annotations"] = notes
    assert state()["cluster"]["nodes"][0]["removing"] is removing


def database() -> bytes:
    content = bytes(16) + bytes.fromhex("edda0ced") + b"what etcd keeps"
    return content + hashlib.sha256(content).digest()


@pytest.fixture
def saved(home: Path, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What `k3s etcd-snapshot save` writes out; nothing when it fails."""
    content, folder = [database()], home / "db/snapshots"
    begun(home)

    def run(argv: list[str], **_: object) -> Done:
        assert argv == ["k3s", "etcd-snapshot", "save", "--name", "du-infra"]
        folder.mkdir(exist_ok=True)
        for one in content:
            (folder / "du-infra-demo-home-1-1").write_bytes(one)
        return Done(0 if content else 1, "", "level=fatal it cannot\n")

    monkeypatch.setattr(snapshot, "run", run)
    monkeypatch.setattr(backup.places, "STATE", str(home.parent / "du"))
    return content


def packed(folder: Path) -> Path:
    with (folder / "b.tar.gz").open("wb") as out:
        backup.backup(out)
    return folder / "b.tar.gz"


def test_what_etcd_writes_out_is_backed_up_and_read_back(saved: list[bytes], home: Path, tmp_path: Path) -> None:
    file = packed(tmp_path)
    assert read_back(file)["datastore"] == "etcd"
    with tarfile.open(file) as tar:
        assert {"db/snapshot", "token", "tls/etcd/server-ca.crt"} <= {*tar.getnames()}
    assert list((home / "db/snapshots").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "why"), [(database()[:-1] + b"x", "is damaged"), (b"x" * 99, "none of etcd's"), (b"x", "none of")]
)
def test_a_snapshot_that_is_none_is_seen(saved: list[bytes], tmp_path: Path, content: bytes, why: str) -> None:
    saved[0] = content
    with pytest.raises(EngineFailed, match=why):
        read_back(packed(tmp_path))


def test_an_etcd_that_writes_nothing_out_is_told_of(saved: list[bytes], tmp_path: Path) -> None:
    saved.clear()
    with pytest.raises(NodeError, match="has not written out its data") as caught:
        packed(tmp_path)
    assert "it cannot" in caught.value.detail
