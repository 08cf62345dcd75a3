"""What is looked at now and then, and not all the time: the clock, disks, K3s's certificates and programs."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from du_node import __version__
from du_node.certificate import valid_until
from du_node.k3s import files as k3s
from du_node.k3s import upgrade

_DISKS = ("/", "/var", "/var/lib/rancher", "/var/lib/containerd", "/var/lib/docker", "/var/lib/du-volumes", "/var/log")
_CERTIFICATES = ("server/tls/*.crt", "server/tls/*/*.crt", "agent/*.crt")


def examine() -> dict[str, Any]:
    """{"now": unix seconds, "version": of du-node, "disks": […], "certificates": […], "k3s": {"program", "next"}}.

    Each disk is {"path", "size", "free" (bytes), "inodes", "inodes_free"}, each certificate {"file", "until" (unix
    seconds), "authority"}. "program": the version of the K3s that is in its place, "next": of one that waits.
    """
    told: dict[str, Any] = {"now": time.time(), "version": __version__, "disks": _disks(), "certificates": []}
    there = Path(upgrade.PROGRAM).exists() and k3s.role() != ""
    told["k3s"] = {"program": upgrade.version(upgrade.PROGRAM), "next": upgrade.version(upgrade.NEXT)} if there else {}
    if there:
        told["certificates"] = _certificates(Path(k3s.DATA))
    return told


def _disks() -> list[dict[str, Any]]:
    """One for each file system, by the first of its folders."""
    found: dict[int, dict[str, Any]] = {}
    for path in _DISKS:
        try:
            device, room = os.stat(path).st_dev, os.statvfs(path)  # noqa: PTH116
        except OSError:
            continue
        size, free = room.f_blocks * room.f_frsize, room.f_bavail * room.f_frsize
        row = {"path": path, "size": size, "free": free, "inodes": room.f_files, "inodes_free": room.f_favail}
        found.setdefault(device, row)
    return list(found.values())


def _certificates(data: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted({path for pattern in _CERTIFICATES for path in data.glob(pattern)}):
        try:
            until = valid_until(path.read_text("ascii", "replace"))
        except OSError:
            continue
        if until is not None:
            authority = "-ca." in path.name
            found.append({"file": str(path.relative_to(data)), "until": until, "authority": authority})
    return found
