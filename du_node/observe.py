"""Looks at the node: containers, gateway, images, ports."""

from __future__ import annotations

from dataclasses import replace

from du_node import gateway, probe, settings
from du_node.before import images_in_use
from du_node.gateway.driver import Driver, connections
from du_node.rotation import usable
from du_node.runtime.driver import Runtime
from du_node.sockets import listening
from du_node.state import FIRST_PORT, LAST_PORT, Container, Gateway, Observed


def observe(runtime: Runtime) -> Observed:
    """Everything that a plan is made from. Raises NodeError tool when containerd does not answer."""
    entrance = gateway.chosen()
    seen = entrance.observe()
    containers = tuple(_counted(_probed(found), seen, entrance) for found in runtime.containers())
    images = runtime.images() - images_in_use()  # as if they were not there: nobody removes them
    peers = usable({c.service for c in containers})
    shared = bool(settings.peers())
    ports = listening(FIRST_PORT, LAST_PORT) | runtime.taken_ports()
    return Observed(containers, seen, images, ports, peers, shared, runtime.unready_step)


def _probed(container: Container) -> Container:
    if not container.running:
        return container
    return replace(container, ready=probe.get(container.port, container.route.ready, 1.0).ok)


def _counted(container: Container, seen: Gateway, entrance: Driver) -> Container:
    """With its connections, where it runs and should have none."""
    pair = seen.pairs.get(container.service)
    if not container.running or not pair or container.slot in pair.slots:
        return container
    return replace(container, connections=connections(entrance, container))
