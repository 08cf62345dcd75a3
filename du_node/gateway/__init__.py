"""The region's entrance on this node: one driver for each kind of gateway."""

from __future__ import annotations

from du_node import settings
from du_node.errors import NodeError
from du_node.gateway.driver import Driver


def chosen() -> Driver:
    """The driver of this node's gateway. What another kind needs is not imported."""
    kind = settings.gateway()
    if kind == "nginx":
        from du_node.gateway.nginx import Nginx

        return Nginx()
    if kind == "envoy":
        from du_node.gateway.envoy import Envoy

        return Envoy()
    raise NodeError("tool", f"this du-node knows no gateway {kind!r}", todo="run `du-infra region up`")
