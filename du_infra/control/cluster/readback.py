"""Reads a backup back: every file as its checksum says, and the database whole and of a cluster."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import tarfile
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from du_infra.errors import EngineFailed

_MANIFEST, _DATABASE, _SNAPSHOT = "manifest.json", "db/state.db", "db/snapshot"
_NEEDED = ("token", "tls/server-ca.crt", "tls/server-ca.key", "tls/client-ca.key", "tls/service.key")
_KEYS = ("/registry/namespaces/kube-system", "/registry/minions/%")
_CHUNK = 1 << 20


def read_back(archive: Path) -> Mapping[str, Any]:
    """Read it from beginning to end; returns what stands in front of it (du_node.k3s.archive).

    Raises EngineFailed with what is wrong. What is in it is secret: the database is unpacked beside it, and removed.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".reading-", dir=archive.parent) as folder:
            head = _files_of(archive, Path(folder) / "data")
            _SEES[_data_of(head)](Path(folder) / "data")
            return head
    except (tarfile.TarError, sqlite3.Error, EOFError, OSError, ValueError, KeyError, TypeError) as broken:
        raise _bad(archive, str(broken)) from broken
    except _Wrong as wrong:
        raise _bad(archive, str(wrong)) from wrong


class _Wrong(Exception):
    """What is wrong, in words."""


def _bad(archive: Path, why: str) -> EngineFailed:
    todo = "make another with `du-infra region backup`; this one is of no use"
    return EngineFailed(f"the backup cannot be read back: {why}", where=archive.name, todo=todo)


def _files_of(archive: Path, database: Path) -> Mapping[str, Any]:
    with tarfile.open(archive, "r|gz") as tar:
        first = tar.next()
        if first is None or first.name != _MANIFEST:
            raise _Wrong(f"it does not begin with {_MANIFEST}")
        head: Mapping[str, Any] = json.loads(_content(tar, first).read())
        sums = dict(head["files"])
        data = _data_of(head)
        for needed in (*_NEEDED, data):
            if needed not in sums:
                raise _Wrong(f"{needed} is not in it")
        while member := tar.next():
            digest = _digest(_content(tar, member), database if member.name == data else None)
            if sums.pop(member.name, "") != digest:
                raise _Wrong(f"{member.name} is not what its checksum says")
        if sums:
            raise _Wrong(f"{min(sums)} is missing")
    return head


def _data_of(head: Mapping[str, Any]) -> str:
    return _SNAPSHOT if head.get("datastore") == "etcd" else _DATABASE


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(member)
    if content is None:
        raise _Wrong(f"{member.name} is no file")
    return content


def _digest(content: IO[bytes], into: Path | None) -> str:
    digest = hashlib.sha256()
    out = into.open("wb") if into else None
    try:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            if out:
                out.write(chunk)
    finally:
        if out:
            out.close()
    return digest.hexdigest()


def _look_into(database: Path) -> None:
    """kine's one table, with what every cluster has (github.com/k3s-io/kine, "Schema")."""
    with closing(sqlite3.connect(database)) as found:
        (whole,) = found.execute("PRAGMA integrity_check").fetchone()
        if whole != "ok":
            raise _Wrong(f"the database is damaged: {whole}")
        for key in _KEYS:
            if found.execute("SELECT 1 FROM kine WHERE name LIKE ? AND deleted = 0 LIMIT 1", (key,)).fetchone() is None:
                raise _Wrong(f"the database has no {key.rstrip('/%')}")


def _check_snapshot(snapshot: Path) -> None:
    """A bbolt database, with a magic number in its first page, and its SHA-256 behind it (etcd.io, "Recovery")."""
    digest, left = hashlib.sha256(), snapshot.stat().st_size - _SUM_BYTES
    with snapshot.open("rb") as file:
        if left <= 0 or file.read(_MAGIC_AT + 4)[_MAGIC_AT:] != _MAGIC:
            raise _Wrong("the snapshot is none of etcd's")
        file.seek(0)
        while left and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
        if digest.digest() != file.read():
            raise _Wrong("the snapshot is damaged")


_SUM_BYTES = 32
_MAGIC_AT, _MAGIC = 16, bytes.fromhex("edda0ced")
_SEES = {_DATABASE: _look_into, _SNAPSHOT: _check_snapshot}
