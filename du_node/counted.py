"""How many requests this node's copies have taken, counted on and on from the access log.

Whoever wants to know how many came in some time asks twice. Where counting began anew (a boot, a log that was lost)
``id`` is another one: then the two numbers have nothing to do with each other.
"""

from __future__ import annotations

import os
from typing import Any

from du_node import places
from du_node.logfile import inode_and_size, read_from
from du_node.observation.access import parse

_MOST_BYTES = 1 << 20
"""Looked at line by line: 20,000 requests; more of them are taken to be like these."""


def counted(kept: dict[str, Any]) -> dict[str, Any]:
    """What to keep for the next time: {"id", "count", "inode", "size"}; ``kept`` is what this gave the last time.

    Two who count at once come to the same: what is counted follows from how far the log was read.
    """
    inode, size = inode_and_size(places.ACCESS_LOG)
    if not {"id", "count", "inode", "size"} <= kept.keys():
        return {"id": os.urandom(8).hex(), "count": 0, "inode": inode, "size": size}
    if inode == kept["inode"] and size == kept["size"]:
        return kept
    moved = kept["inode"] and (inode != kept["inode"] or size < kept["size"])
    if moved and inode_and_size(f"{places.ACCESS_LOG}.1")[1] < kept["size"]:
        return counted({})  # what was not counted yet is gone
    new = read_from(f"{places.ACCESS_LOG}.1", kept["size"]) if moved else b""
    new += read_from(places.ACCESS_LOG, 0 if moved else kept["size"])
    whole = new[: new.rfind(b"\n") + 1]
    size -= len(new) - len(whole)
    return {"id": kept["id"], "count": kept["count"] + _requests(whole), "inode": inode, "size": max(0, size)}


def _requests(new: bytes) -> int:
    lines = new.count(b"\n")
    looked = new[-_MOST_BYTES:].decode("ascii", "replace").splitlines()
    ours = sum(bool(parse(line)[1]) for line in looked)
    return round(lines * ours / max(1, len(looked)))
