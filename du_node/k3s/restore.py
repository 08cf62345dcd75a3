"""This node becomes the cluster's server again, from a backup: with the same data, authorities and token.

Source: docs.k3s.io, "Backup and Restore": for sqlite the database's folder and the token; the authorities are brought
along, so that agents and du-node's credentials stay valid.
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
from du_node.k3s import archive, files, join, unit

SECONDS = 300

_OLD = ("db", "tls", "cred", "token", "agent-token", "node-token")
"""What a server of another cluster, or of this one's past, may have left here."""


def restore(source: IO[bytes], tell: Callable[[str], None]) -> bool:
    """Lay the archive's files into their places and have K3s run as a server on them; whether that had to be done.

    Killed anywhere it is done again; once K3s has been started on an archive's files, they are not laid down again.
    Raises NodeError bad-wanted for an archive that is not whole (nothing is touched then), and what join does.
    """
    home = Path(files.DATA, "server")
    staging = home.with_name("server.restored")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(mode=0o700, parents=True)
    try:
        manifest = archive.read(source, staging)
        if archive.DATABASE not in manifest["files"]:
            raise NodeError("refused", "the backup has no sqlite: a snapshot of etcd is not restored here")
        mark = _mark(manifest)
        begun = files.role() == "server" and whole.read(str(home / "restored")) == mark
        if begun and unit.service("server") == "running":
            return False
        if not begun:
            tell("the backup's files are laid into their places")
            _lay(staging, home, mark)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    tell("K3s starts as the server")
    join.started("server", SECONDS, again=True)
    return True


def _lay(staging: Path, home: Path, mark: str) -> None:
    """Until the last of it K3s is set up as nothing here, so that nothing half comes up."""
    unit.stop("agent")
    unit.stop("server")
    files.forget()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in _OLD:
        _remove(home / name)
    token = (staging / "token").read_text().strip()
    for path in sorted(staging.iterdir()):
        path.replace(home / path.name)
    whole.write(str(home / "restored"), mark)
    files.set_up("server", "", token)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _mark(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
