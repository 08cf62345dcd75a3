"""A server's part of the cluster as one archive: a gzipped tar, whose first file lists all others with their checksums.

What belongs to it is what K3s itself shares among servers (docs.k3s.io, "Backup and restore": the database and the
token; pkg/daemons/config ControlRuntimeBootstrap: authorities and their keys). Certificates that a server makes of
them anew at its start do not.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from du_node.errors import NodeError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE, SNAPSHOT = "db/state.db", "db/snapshot"
"""The cluster's data: what sqlite has, or what etcd has."""

KEPT = (
    "token",
    "agent-token",
    "cred/passwd",
    "cred/ipsec.psk",
    "cred/encryption-config.json",
    "cred/encryption-state.json",
    "tls/*-ca.crt",
    "tls/*-ca.key",
    "tls/service.key",
    "tls/etcd/*-ca.crt",
    "tls/etcd/*-ca.key",
)
"""Patterns of files under K3s's folder of a server, beside the database; what a K3s does not have is left out."""

_LEVEL = 3
_CHUNK = 1 << 20
_LARGEST_MANIFEST = 1 << 20
_BROKEN = "the archive is no backup of a cluster, or is damaged"


def write(out: IO[bytes], head: Mapping[str, Any], parts: Mapping[str, Path]) -> None:
    """Write ``parts`` (name in the archive → file) with ``head`` and their checksums in front."""
    manifest = {"format": FORMAT, **head, "files": {name: checksum(path) for name, path in parts.items()}}
    with (
        gzip.GzipFile(fileobj=out, mode="wb", compresslevel=_LEVEL, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        text = json.dumps(manifest, sort_keys=True).encode()
        _add(tar, MANIFEST, io.BytesIO(text), len(text))
        for name, path in parts.items():
            with path.open("rb") as file:
                _add(tar, name, file, path.stat().st_size)


def read(source: IO[bytes], folder: Path) -> dict[str, Any]:
    """Lay the archive's files into ``folder`` (each for its owner alone), and return what was written in front.

    Raises NodeError bad-wanted when a file is missing, is not listed, or is another than the checksum says.
    """
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as tar:
            manifest = _manifest(tar)
            wanted = dict(manifest["files"])
            while member := tar.next():
                if not member.isreg() or member.name not in wanted:
                    raise NodeError("bad-wanted", f"{_BROKEN}: {member.name!r:.80} does not belong to it")
                content = tar.extractfile(member)
                assert content is not None
                if _lay(content, folder / member.name) != wanted.pop(member.name):
                    raise NodeError("bad-wanted", f"{_BROKEN}: {member.name} is not what its checksum says")
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, TypeError) as broken:
        if isinstance(broken, OSError) and broken.errno:
            raise
        raise NodeError("bad-wanted", _BROKEN, detail=str(broken)) from broken
    if wanted:
        raise NodeError("bad-wanted", f"{_BROKEN}: {min(wanted)} is missing")
    return manifest


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    tar.addfile(member, content)


def _manifest(tar: tarfile.TarFile) -> dict[str, Any]:
    first = tar.next()
    if first is None or first.name != MANIFEST or first.size > _LARGEST_MANIFEST:
        raise ValueError(f"it does not begin with {MANIFEST}")
    content = tar.extractfile(first)
    found: dict[str, Any] = json.loads(content.read() if content else b"")
    if found["format"] != FORMAT:
        raise ValueError(f"its format is {found['format']!r:.20}")
    if any(name.startswith("/") or ".." in Path(name).parts for name in found["files"]):
        raise ValueError("it names files outside of its folder")
    return found


def _lay(content: IO[bytes], path: Path) -> str:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with open(path, "wb", opener=_private) as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
