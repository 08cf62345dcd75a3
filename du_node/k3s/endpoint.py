"""The address of an external datastore, with user and password, as a server is told it. Only its place may be shown."""

from __future__ import annotations

import re
from typing import Any

from du_node.errors import NodeError

_ENDPOINT = re.compile(r"[a-z]{4,10}://[!-~]{1,2000}")


def endpoint_of(told: dict[str, Any]) -> str:
    """The address in an order, "" where it has none. Raises NodeError bad-wanted, which does not show it."""
    found = told.get("datastore") or ""
    if not isinstance(found, str) or (found and not _ENDPOINT.fullmatch(found)):
        raise NodeError("bad-wanted", "the order: datastore is malformed")
    return found


def place(endpoint: str) -> str:
    """Where a datastore is: the address without user, password and options. An etcd may have several."""
    several = endpoint.split(",") if endpoint.startswith("http") else [endpoint]
    return ",".join(map(_place, several))


def _place(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    where, _, options = rest.partition("?")
    return f"{scheme}://{'' if '@' in options else where.rpartition('@')[2]}"
