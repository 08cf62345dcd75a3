"""Has clients leave that keep a connection open: each is told to close with its next answer. Nothing is cut.

A client that asks for nothing more is not told. nginx closes its connection by itself; for Envoy, which would keep it
for half a minute, the kernel does (`ss -K`). A kernel that cannot leaves it to its time.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import envoy_admin, idle, nginx


def ask_to_leave(kind: str) -> None:
    """Connections that are open now close after the answer that they wait for. Raises NodeError gateway.

    nginx: workers that are told to go do so. Envoy: as long as it is marked as failed, also for new connections.
    """
    if kind == "nginx":
        nginx.reload()
    elif not envoy_admin.tell(places.ENVOY_ADMIN, "/healthcheck/fail"):
        raise NodeError("gateway", "Envoy does not answer", todo="see `systemctl status envoy` on the node")


def all_idle(kind: str) -> bool:
    """Whether no open connection has a request under way, and the gateway leaves it to us to end them."""
    return kind == "envoy" and envoy_admin.active(places.ENVOY_ADMIN) == 0


def end_idle(ports: Iterable[int]) -> None:
    """Have the kernel end the quiet connections that clients have open to these ports; without its tool they have
    their time.
    """
    with suppress(NodeError):
        idle.end(ports)


def welcome(kind: str) -> None:
    """Connections are kept again."""
    if kind == "envoy":
        envoy_admin.tell(places.ENVOY_ADMIN, "/healthcheck/ok")
