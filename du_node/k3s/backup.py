"""What this server keeps of the cluster is copied while K3s runs, and goes to whoever asked through standard output."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

from du_node import places
from du_node.errors import NodeError
from du_node.k3s import archive, files
from du_node.k3s.snapshot import copy_snapshot

_WAIT_SECONDS = 30.0
_SPARE_BYTES = 64 << 20


def backup(out: IO[bytes]) -> None:
    """Write the archive to ``out``; nothing is written before everything that goes into it is there.

    Raises NodeError refused where K3s is no server or keeps its data elsewhere, no-room, busy, tool for a database that
    cannot be read.
    """
    if files.role() != "server":
        raise NodeError("refused", "K3s on this node is no server, and keeps nothing of the cluster")
    kind = files.datastore()
    if kind not in ("sqlite", "etcd"):
        raise NodeError("refused", f"the data is not on this node but in {kind or 'another place'}")
    home = Path(files.DATA, "server")
    with _workshop() as folder:
        copy = folder / "data"
        if kind == "etcd":
            copy_snapshot(copy)
        else:
            copy_database(home / archive.DATABASE, copy)
        parts = {archive.SNAPSHOT if kind == "etcd" else archive.DATABASE: copy, **kept_files(home)}
        archive.write(out, {"node": os.uname().nodename, "datastore": kind}, parts)


def kept_files(home: Path) -> dict[str, Path]:
    """Name in the archive → file. Raises NodeError refused when the token or the authorities are not there."""
    found = {str(p.relative_to(home)): p for pattern in archive.KEPT for p in sorted(home.glob(pattern)) if p.is_file()}
    for needed in ("token", "tls/server-ca.key"):
        if needed not in found:
            raise NodeError("refused", f"{home / needed} is not there: no cluster has come up on this node yet")
    return found


def copy_database(source: Path, target: Path) -> None:
    """Copy a database that is written to meanwhile, as it was at one moment; who writes is not held up."""
    if shutil.disk_usage(target.parent).free < source.stat().st_size + _SPARE_BYTES:
        raise NodeError("no-room", f"there is no room for a copy of {source}", todo="free some disk on the node")
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=_WAIT_SECONDS)) as found,
            closing(sqlite3.connect(target)) as copy,
        ):
            found.backup(copy)
    except sqlite3.Error as trouble:
        raise NodeError("tool", f"{source} cannot be copied: {trouble}") from trouble


@contextmanager
def _workshop() -> Iterator[Path]:
    """A folder for root alone, with nothing of a run in it that was killed."""
    folder = Path(places.STATE, "k3s-backup")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise NodeError("busy", "another backup is being made on this node", todo="wait until it ends") from None
    try:
        for path in folder.iterdir():
            path.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)
