"""What may stand in a gateway's configuration. Nothing else reaches one, so no text can mean more than it is."""

from __future__ import annotations

import re

from du_node.errors import NodeError

_SAFE = {
    "service": re.compile(r"[a-z][a-z0-9-]{0,39}"),
    "host": re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*)?"),
    "path": re.compile(r"/|(/(?!\.{1,2}(/|$))[A-Za-z0-9._~!&+,=:@-]+)+"),
    "release": re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,159}"),
    "node": re.compile(r"[a-z0-9][a-z0-9.-]{0,252}"),
    "address": re.compile(r"(\d{1,3}\.){3}\d{1,3}|(?=[0-9a-f]*:)[0-9a-f:]{2,39}"),
    "slot": re.compile(r"blue|green"),
}


def safe(kind: str, value: str) -> str:
    """``value`` if it may stand in a gateway's configuration as a ``kind``; raises NodeError bad-wanted."""
    if not _SAFE[kind].fullmatch(value):
        raise NodeError("bad-wanted", f"{value!r} cannot be a {kind}")
    return value
