"""Backups of a cluster: whole or not counted, read back, kept by a rule, and made where a plan asks for one."""

from __future__ import annotations

import io
import json
import sqlite3
import stat
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.cluster.action import Action
from du_infra.cluster.state import Member, Observed
from du_infra.control.cluster import backup, observe, vault
from du_infra.control.cluster.act import Work
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.observe import Look
from du_infra.control.cluster.readback import read_back
from du_infra.control.cluster.vault import Kept
from du_infra.control.context import RegionContext
from du_infra.engines import ssh
from du_infra.errors import EngineFailed, NotReady, Refused
from du_infra.progress import silent
from du_node.k3s import archive
from tests.unit.control.k3s_world import World, names, pool, region
from tests.unit.node import k3s_server

(ONE,) = names(1)


def packed(folder: Path, rows: tuple[str, ...] = k3s_server.ROWS, without: str = "") -> bytes:
    """An archive as a server would give it."""
    database = k3s_server.fill(folder, rows)
    found = {str(p.relative_to(folder)): p for pattern in archive.KEPT for p in folder.glob(pattern)}
    with closing(sqlite3.connect(database)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    out = io.BytesIO()
    parts = {archive.DATABASE: database, **found}
    parts.pop(without, None)
    archive.write(out, {"node": ONE, "datastore": "sqlite"}, parts)
    return out.getvalue()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RegionContext:
    """A region whose one server gives ``world.__dict__["gives"]``, or fails with it."""
    world = World()
    context = region(tmp_path, world)
    pool(context, world, 1)
    context.store.clusters.note("home", [ONE], "sqlite")
    gives: dict[str, Any] = {"rc": 0, "bytes": packed(tmp_path / "server")}
    world.__dict__["gives"] = gives

    def run(target: ssh.Target, argv: list[str], *, into: Path | None = None, **_: object) -> ssh.Result:
        assert (target.name, argv, into is not None) == (ONE, ["du-node", "k3s", "backup"], True)
        assert into is not None
        into.write_bytes(gives["bytes"])
        into.chmod(0o600)
        return ssh.Result(gives["rc"], "", "")

    monkeypatch.setattr(ssh, "run", run)
    return context


def take(context: RegionContext) -> Kept:
    seen = Observed((Member(ONE, version="v1.34.4+k3s1"),), datastore="sqlite")
    return backup.take(context, context.record.named(ONE), seen, silent)


def gives(context: RegionContext) -> dict[str, Any]:
    found: dict[str, Any] = context.provider.__dict__["gives"]
    return found


def test_a_backup_is_kept_for_its_owner_alone_and_read_back(home: RegionContext) -> None:
    kept = take(home)
    assert vault.kept(home) == [kept]
    assert not kept.verified
    modes = {stat.S_IMODE(path.stat().st_mode) for path in vault.folder_of(home).iterdir()}
    assert (modes, stat.S_IMODE(vault.folder_of(home).stat().st_mode)) == ({0o600}, 0o700)
    backup.verify(home, kept, silent)
    assert vault.kept(home) == [replace(kept, verified=True)]


def test_what_the_node_says_is_the_error_and_nothing_counts(home: RegionContext) -> None:
    line = {"kind": "error", "error": "no-room", "text": "there is no room", "todo": "free some disk"}
    gives(home).update(rc=5, bytes=json.dumps(line).encode())
    with pytest.raises(EngineFailed, match="there is no room"):
        take(home)
    assert (vault.kept(home), list(vault.folder_of(home).iterdir())) == ([], [])


def test_an_archive_without_its_note_or_of_another_size_does_not_count(home: RegionContext) -> None:
    kept = take(home)
    with vault.archive_of(home, kept.name).open("ab") as file:
        file.write(b"x")
    assert vault.kept(home) == []
    (vault.folder_of(home) / f"{kept.name}.json").unlink()
    assert vault.kept(home) == []


def test_a_backup_of_a_cluster_that_was_there_before_does_not_count(home: RegionContext) -> None:
    kept = take(home)
    vault.note(home, replace(kept, made=kept.made - 3600))
    assert vault.kept(home) == []


def test_one_that_was_changed_is_not_verified(home: RegionContext) -> None:
    kept = take(home)
    path = vault.archive_of(home, kept.name)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(EngineFailed, match="has changed since"):
        backup.verify(home, kept, silent)
    assert not vault.kept(home)[0].verified


@pytest.mark.parametrize(
    ("without", "rows", "why"),
    [
        ("token", k3s_server.ROWS, "token is not in it"),
        ("tls/server-ca.key", k3s_server.ROWS, "tls/server-ca.key is not in it"),
        ("", ("/registry/minions/x",), "the database has no /registry/namespaces/kube-system"),
        ("", k3s_server.ROWS[:1], "the database has no /registry/minions"),
    ],
)
def test_a_backup_that_could_not_be_restored_is_none(
    tmp_path: Path, without: str, rows: tuple[str, ...], why: str
) -> None:
    file = tmp_path / "x.tar.gz"
    file.write_bytes(packed(tmp_path / "server", rows, without))
    with pytest.raises(EngineFailed, match=why):
        read_back(file)
    assert list(tmp_path.glob(".reading*")) == []


def test_a_damaged_database_is_seen(tmp_path: Path) -> None:
    server, file = tmp_path / "server", tmp_path / "x.tar.gz"
    database = k3s_server.fill(server)
    with closing(sqlite3.connect(database)) as made:
        made.execute("PRAGMA journal_mode=DELETE")
    raw = bytearray(database.read_bytes())
    raw[4096:4196] = bytes(100)
    database.write_bytes(raw)
    out = io.BytesIO()
    found = {str(p.relative_to(server)): p for pattern in archive.KEPT for p in server.glob(pattern)}
    archive.write(out, {}, {archive.DATABASE: database, **found})
    file.write_bytes(out.getvalue())
    with pytest.raises(EngineFailed, match="cannot be read back"):
        read_back(file)


def test_a_plan_s_backup_is_made_tidied_and_read_back(home: RegionContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vault, "NEWEST", 1)
    monkeypatch.setattr(vault, "DAYS", 0)
    old = take(home)
    vault.note(home, replace(old, name="old", made=old.made + 0.0))
    vault.archive_of(home, old.name).rename(vault.archive_of(home, "old"))
    (vault.folder_of(home) / f"{old.name}.json").unlink()
    work = Work(home, home.record, Nodes(home, silent), Look(Observed()))
    work.do(Action("backup", ONE, "before the upgrade"))
    (kept,) = vault.kept(home)
    assert kept.name != "old"
    work.do(Action("verify-backup", ONE, "it has to be read back"))
    assert vault.kept(home)[0].verified


def test_a_look_at_the_cluster_tells_of_the_newest(home: RegionContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nodes, "state", lambda *_: None)
    assert observe.look(home, home.record, silent).observed.backup is None
    kept = take(home)
    seen = observe.look(home, home.record, silent).observed
    assert seen.backup
    assert seen.backup.at == kept.made
    assert seen.now - seen.backup.at < 60


def test_the_loop_makes_one_a_day(home: RegionContext) -> None:
    assert backup.due(home)
    kept = take(home)
    assert backup.due(home), "nobody has read it back"
    kept = backup.verify(home, kept, silent)
    assert not backup.due(home)
    vault.note(home, replace(kept, made=kept.made - 1))
    assert backup.due(home), "one from before the cluster is none"


def test_one_that_a_clock_ahead_has_dated_does_not_stop_backups(home: RegionContext) -> None:
    kept = backup.verify(home, take(home), silent)
    vault.note(home, replace(kept, made=kept.made + 3600))
    assert backup.due(home)


def test_after_one_that_cannot_be_read_back_it_is_tidied_and_what_was_is_kept(
    home: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = [backup.verify(home, _named(home, take(home), f"good-{n}"), silent).name for n in range(vault.NEWEST)]
    gives(home).update(bytes=packed(home.folder / "empty", rows=("/registry/minions/x",)))
    monkeypatch.setattr(backup, "look", lambda *_: Look(Observed((Member(ONE),), datastore="sqlite"), apis=(ONE,)))
    home.provider.__dict__["connect"] = lambda: None
    for n in range(3):
        with pytest.raises(EngineFailed, match="kube-system"):
            backup.region_backup(home, silent)
        _named(home, vault.kept(home)[0], f"bad-{n}")
    kept = {one.name: one.verified for one in vault.kept(home)}
    assert [name for name, read in kept.items() if read] == good[::-1]
    assert [name for name, read in kept.items() if not read] == ["bad-2"], "the newest stays to be looked at"


def _named(context: RegionContext, one: Kept, name: str) -> Kept:
    """Several of one second have one name; a test's last for less."""
    vault.archive_of(context, one.name).rename(vault.archive_of(context, name))
    (vault.folder_of(context) / f"{one.name}.json").unlink()
    vault.note(context, replace(one, name=name))
    return replace(one, name=name)


def test_where_there_is_no_cluster_or_no_answer_it_is_said(
    home: RegionContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Nodes, "state", lambda *_: None)
    with pytest.raises(NotReady, match="does not answer"):
        backup.region_backup(home, silent)
    spec = home.fleet.model_copy(update={"regions": {"home": home.spec.model_copy(update={"runtime": "containerd"})}})
    with pytest.raises(Refused, match="no cluster"):
        backup.region_backup(replace(home, fleet=spec), silent)


_DAY = 86400.0
_NOW = 100 * _DAY


@given(st.lists(st.tuples(st.floats(0, 60 * _DAY), st.booleans()), max_size=40))
def test_what_is_kept(ages: list[tuple[float, bool]]) -> None:
    there = [Kept(f"b{n}", "", "", "", _NOW - age, "", 0, good) for n, (age, good) in enumerate(ages)]
    keep = vault.to_keep(there, _NOW)
    newest = sorted(there, key=lambda one: one.made, reverse=True)
    assert len(keep) <= vault.NEWEST + vault.DAYS + 1
    assert len(keep) >= min(len(there), vault.NEWEST)
    if there:
        assert newest[0].made in {one.made for one in there if one.name in keep}
    if any(one.verified for one in there):
        assert any(one.verified for one in there if one.name in keep), "one that was read back is always there"
    for day in range(vault.DAYS):
        of_day = [one for one in there if int(_NOW // _DAY) - int(one.made // _DAY) == day]
        assert not of_day or any(one.name in keep for one in of_day)
        assert not any(one.verified for one in of_day) or any(one.verified for one in of_day if one.name in keep)
    read = [one.name for one in newest if one.verified]
    assert keep.issuperset(read[: vault.NEWEST]), "one that was not read back takes no other's place"


def test_what_a_kill_left_goes_after_a_day(home: RegionContext) -> None:
    take(home)
    left = vault.folder_of(home) / "x.tar.coming"
    left.write_text("half")
    vault.prune(home, time.time())
    assert left.exists()
    vault.prune(home, time.time() + 2 * _DAY)
    assert not left.exists()
