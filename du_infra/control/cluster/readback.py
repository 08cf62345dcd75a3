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

_MANIFEST, _DATABASE = "manifest.json", "db/state.db"
_NEEDED = ("token", "tls/server-ca.crt", "tls/server-ca.key", "tls/client-ca.key", "tls/service.key", _DATABASE)
_KEYS = ("/registry/namespaces/kube-system", "/registry/minions/%")
_CHUNK = 1 << 20


def read_back(archive: Path) -> Mapping[str, Any]:
    """Read it from beginning to end; returns what stands in front of it (du_node.k3s.archive).

    Raises EngineFailed with what is wrong. What is in it is secret: the database is unpacked beside it, and removed.
    """
    try:
        with tempfile.TemporaryDirectory(prefix=".reading-", dir=archive.parent) as folder:
            head = _files_of(archive, Path(folder) / "state.db")
            _look_into(Path(folder) / "state.db")
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
        for needed in _NEEDED:
            if needed not in sums:
                raise _Wrong(f"{needed} is not in it")
        while member := tar.next():
            digest = _digest(_content(tar, member), database if member.name == _DATABASE else None)
            if sums.pop(member.name, "") != digest:
                raise _Wrong(f"{member.name} is not what its checksum says")
        if sums:
            raise _Wrong(f"{min(sums)} is missing")
    return head


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
