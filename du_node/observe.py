"""Looks at the node: containers, gateway, images, ports."""

from __future__ import annotations

from dataclasses import replace

from du_node import gateway, probe
from du_node.runtime.driver import Runtime
from du_node.sockets import listening
from du_node.state import FIRST_PORT, LAST_PORT, Container, Observed


def observe(runtime: Runtime) -> Observed:
    """Everything that a plan is made from. Raises NodeError tool when containerd does not answer."""
    containers = tuple(map(_probed, runtime.containers()))
    return Observed(containers, gateway.chosen().observe(), runtime.images(), listening(FIRST_PORT, LAST_PORT))


def _probed(container: Container) -> Container:
    if not container.running:
        return container
    return replace(container, ready=probe.get(container.port, container.route.ready, 1.0).ok)
