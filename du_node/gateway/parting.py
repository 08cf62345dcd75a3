"""Has clients leave that keep a connection open: each is told to close with its next answer. Nothing is cut."""

from __future__ import annotations

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import envoy_admin, nginx


def ask_to_leave(kind: str) -> None:
    """Connections that are open now close after the answer that they wait for. Raises NodeError gateway.

    nginx: workers that are told to go do so. Envoy: as long as it is marked as failed, also for new connections.
    """
    if kind == "nginx":
        nginx.reload()
    elif not envoy_admin.tell(places.ENVOY_ADMIN, "/healthcheck/fail"):
        raise NodeError("gateway", "Envoy does not answer", todo="see `systemctl status envoy` on the node")


def welcome(kind: str) -> None:
    """Connections are kept again."""
    if kind == "envoy":
        envoy_admin.tell(places.ENVOY_ADMIN, "/healthcheck/ok")
