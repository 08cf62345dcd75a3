"""A backup is whole, of one moment, and secret; what is none is refused in words."""

from __future__ import annotations

import gzip
import io
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from du_node import places
from du_node.errors import NodeError
from du_node.k3s import archive, backup, files, join
from tests.unit.node import k3s_server
from tests.unit.node.k3s_bed import TOKEN, Machine
from tests.unit.node.k3s_bed import machine as machine


@pytest.fixture
def home(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a server that runs."""
    monkeypatch.setattr(places, "STATE", str(tmp_path / "du-node"))
    join.join(join.order_of({"role": "server"}), lambda _: None)
    found = Path(files.DATA, "server")
    k3s_server.fill(found)
    return found


def made() -> bytes:
    out = io.BytesIO()
    backup.backup(out)
    return out.getvalue()


def test_it_has_the_database_the_tokens_and_the_authorities_and_nothing_that_is_made_anew(
    home: Path, tmp_path: Path
) -> None:
    manifest = archive.read(io.BytesIO(made()), tmp_path / "out")
    assert sorted(manifest["files"]) == [
        "cred/passwd",
        "db/state.db",
        "tls/client-ca.crt",
        "tls/client-ca.key",
        "tls/etcd/server-ca.crt",
        "tls/server-ca.crt",
        "tls/server-ca.key",
        "tls/service.key",
        "token",
    ]
    assert (tmp_path / "out/token").read_text() == k3s_server.TOKEN
    assert {stat.S_IMODE(p.stat().st_mode) for p in (tmp_path / "out").rglob("*") if p.is_file()} == {0o600}
    assert not Path(places.STATE, "k3s-backup").exists()


def test_what_is_written_meanwhile_is_in_it_or_not_and_the_copy_is_whole(home: Path, tmp_path: Path) -> None:
    """The database is open in WAL mode, with rows that are only in its log, and a transaction that has not ended."""
    with closing(sqlite3.connect(home / "db/state.db", isolation_level=None)) as k3s:
        k3s.execute("INSERT INTO kine (name, deleted) VALUES ('/in/the/log', 0)")
        k3s.execute("BEGIN IMMEDIATE")
        k3s.execute("INSERT INTO kine (name, deleted) VALUES ('/not/yet', 0)")
        archive.read(io.BytesIO(made()), tmp_path / "out")
        k3s.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "out/db/state.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        names = {name for (name,) in copy.execute("SELECT name FROM kine")}
    assert names == {*k3s_server.ROWS, "/in/the/log"}


def test_a_copy_that_was_left_by_a_kill_is_in_nobodys_way(home: Path) -> None:
    left = Path(places.STATE, "k3s-backup")
    left.mkdir(parents=True)
    (left / "state.db").write_text("half a database")
    assert made()


def test_an_agent_and_a_server_that_never_came_up_have_nothing_to_copy(home: Path) -> None:
    (home / "token").unlink()
    with pytest.raises(NodeError, match="no cluster has come up"):
        made()
    join.join(join.order_of({"role": "agent", "server": "https://h:6443", "token": TOKEN}), lambda _: None)
    with pytest.raises(NodeError, match="is no server"):
        made()


def test_a_full_disk_is_said_before_anything_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "_SPARE_BYTES", 1 << 60)
    out = io.BytesIO()
    with pytest.raises(NodeError, match="no room") as caught:
        backup.backup(out)
    assert (caught.value.kind, out.getvalue()) == ("no-room", b"")


@pytest.mark.parametrize("harm", ["cut", "changed", "nonsense", "outside"])
def test_an_archive_that_was_harmed_is_refused(home: Path, tmp_path: Path, harm: str) -> None:
    whole = made()
    plain = gzip.decompress(whole)
    harmed = {
        "cut": whole[: len(whole) // 2],
        "changed": gzip.compress(
            plain.replace(b"the content of tls/server-ca.key", b"THE content of tls/server-ca.key")
        ),
        "nonsense": b"nonsense",
        "outside": gzip.compress(plain.replace(b"cred/passwd", b"../../etc/x")),
    }[harm]
    with pytest.raises(NodeError) as caught:
        archive.read(io.BytesIO(harmed), tmp_path / "deep" / "out")
    assert caught.value.kind == "bad-wanted"
    assert not list(tmp_path.rglob("x"))
