"""This node becomes the cluster's server again, from a backup: with the same data, authorities and token.

Source: docs.k3s.io, "Backup and Restore": for sqlite the database's folder and the token; for etcd a snapshot, which
K3s itself takes in, and the token. The authorities are brought along, so that agents and du-node's credentials stay
valid.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from du_node import files as whole
from du_node.errors import NodeError
from du_node.k3s import archive, files, join, reset, unit

SECONDS = 300

_MARK = "restored"
"""Of what archive the files are, once K3s may start on them."""

_OLD = ("db", "tls", "cred", "token", "agent-token", "node-token")
"""What a server of another cluster, or of this one's past, may have left here."""


def restore(source: IO[bytes], tell: Callable[[str], None]) -> bool:
    """Lay the archive's files into their places and have K3s run as a server on them; whether that had to be done.

    Killed anywhere it is done again; once K3s has been started on an archive's files, they are not laid down again.
    Of a snapshot etcd becomes one of this server alone.
    Raises NodeError bad-wanted for an archive that is not whole (nothing is touched then), and what join does.
    """
    with reset.one_at_a_time():
        return _restore(source, Path(files.DATA, "server"), tell)


def _restore(source: IO[bytes], home: Path, tell: Callable[[str], None]) -> bool:
    staging = home.with_name("server.restored")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700, parents=True)
    try:
        manifest = archive.read(source, staging)
        if not {archive.DATABASE, archive.SNAPSHOT} & {*manifest["files"]}:
            raise NodeError("bad-wanted", "the backup has no data of a cluster: neither sqlite's nor etcd's")
        mark = _mark(manifest)
        begun = files.role() == "server" and whole.read(str(home / _MARK)) == mark
        if begun and unit.service("server") == "running":
            return False
        if not begun:
            tell("the backup's files are laid into their places")
            _lay(staging, home)
            _set_up(home)
            whole.write(str(home / _MARK), mark)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    tell("K3s starts as the server")
    join.started("server", SECONDS, again=True)
    return True


def _lay(staging: Path, home: Path) -> None:
    """Until the last of it K3s is set up as nothing here, so that nothing half comes up."""
    reset.end()
    unit.stop("agent")
    unit.stop("server")
    files.forget()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in (_MARK, *_OLD):
        _remove(home / name)
    for path in sorted(staging.iterdir()):
        path.replace(home / path.name)


def _set_up(home: Path) -> None:
    """Its units are off; a snapshot becomes a database first, and for that K3s has to know what it is."""
    snapshot = home / archive.SNAPSHOT
    files.set_up("server", "", (home / "token").read_text().strip(), etcd=snapshot.exists())
    if snapshot.exists():
        reset.forget_others(SECONDS, str(snapshot))
        snapshot.unlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mark(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
