"""A server on an external datastore gets another user or password for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from du_node.errors import NodeError
from du_node.fields import within
from du_node.k3s import files, join
from du_node.k3s.endpoint import endpoint_of, place

_SECONDS = 300


def keep(told: dict[str, Any], tell: Callable[[str], None]) -> bool:
    """Have a server on an external datastore use this address, {"datastore", "seconds"}; whether it was another.

    With another user, password or option K3s starts again, and is waited for. Nothing is done where K3s is no such
    server. Raises NodeError refused for another database, which does not have the cluster's data; and what
    ``join.start`` does.
    """
    wanted, seconds = endpoint_of(told), within(told, "seconds", "the order", 1, 3600, _SECONDS)
    now = files.endpoint() if files.role() == "server" else ""
    if not now or not wanted or now == wanted:
        return False
    if place(now) != place(wanted):
        raise NodeError(
            "refused",
            f"the cluster's data is in {place(now)}, and {place(wanted)} is asked for: it does not move along",
            todo="put the old address back; a name in place of an address can lead elsewhere one day",
        )
    files.move_to(wanted)
    tell("the datastore's user, password or options are others")
    return join.start(seconds, tell, again=True)
