"""What runs the containers on this node: one driver for each kind of runtime."""

from __future__ import annotations

from du_node import settings
from du_node.errors import NodeError
from du_node.runtime.driver import Runtime


def chosen(lock: int | None = None) -> Runtime:
    """The driver of this node's runtime. ``lock`` is a descriptor that its processes inherit, so that our lock
    outlives us until they end.
    """
    kind = settings.runtime()
    if kind == "containerd":
        from du_node.runtime.nerdctl import Nerdctl

        return Nerdctl(lock)
    if kind == "docker":
        from du_node.runtime.docker import Docker

        return Docker(lock)
    if kind == "k3s":
        from du_node.runtime.k3s.driver import K3s

        return K3s(lock)
    raise NodeError("tool", f"this du-node knows no runtime {kind!r}", todo="run `du-infra region up`")
