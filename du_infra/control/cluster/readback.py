"""Reads a backup back: every file as its checksum says, and the database whole and of a cluster."""

from __future__ import annotations

import hashlib
import sqlite3
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from du_infra.errors import EngineFailed
from du_node.errors import NodeError
from du_node.k3s.archive import DATABASE, SNAPSHOT, read

_NEEDED = ("token", "tls/server-ca.crt", "tls/server-ca.key", "tls/client-ca.key", "tls/service.key")
_KEYS = ("/registry/namespaces/kube-system", "/registry/minions/%")
_CHUNK = 1 << 20


def read_back(archive: Path) -> Mapping[str, Any]:
    """Read it from beginning to end, as du-node does to restore it; returns what stands in front of it.

    Raises EngineFailed with what is wrong. What is in it is secret: it is unpacked beside it, and removed.
    """
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".reading-", dir=archive.parent) as folder,
            archive.open("rb") as packed,
        ):
            head = read(packed, Path(folder))
            data = SNAPSHOT if head.get("datastore") == "etcd" else DATABASE
            for needed in (*_NEEDED, data):
                if needed not in head["files"]:
                    raise _Wrong(f"{needed} is not in it")
            _SEES[data](Path(folder) / data)
            return head
    except NodeError as wrong:
        raise _bad(archive, wrong.what) from wrong
    except (sqlite3.Error, OSError, ValueError, KeyError, TypeError) as broken:
        raise _bad(archive, str(broken)) from broken
    except _Wrong as wrong:
        raise _bad(archive, str(wrong)) from wrong


class _Wrong(Exception):
    """What is wrong, in words."""


def _bad(archive: Path, why: str) -> EngineFailed:
    todo = "make another with `du-infra region backup`; this one is of no use"
    return EngineFailed(f"the backup cannot be read back: {why}", where=archive.name, todo=todo)


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
_SEES = {DATABASE: _look_into, SNAPSHOT: _check_snapshot}
