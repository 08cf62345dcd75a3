"""Looks at the node: containers, gateway, images, ports."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from du_node import gateway, probe
from du_node.runtime.driver import Runtime
from du_node.state import FIRST_PORT, LAST_PORT, Container, Observed


def observe(runtime: Runtime) -> Observed:
    """Everything that a plan is made from. Raises NodeError tool when containerd does not answer."""
    containers = tuple(map(_probed, runtime.containers()))
    return Observed(containers, gateway.chosen().observe(), runtime.images(), listening())


def listening() -> frozenset[int]:
    """Ports in du-node's range that some process listens on (/proc/net/tcp: state 0A, address in hex)."""
    found = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(name).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            port = int(fields[1].rpartition(":")[2], 16)
            if fields[3] == "0A" and FIRST_PORT <= port <= LAST_PORT:
                found.add(port)
    return frozenset(found)


def _probed(container: Container) -> Container:
    if not container.running:
        return container
    return replace(container, ready=probe.get(container.port, container.route.ready, 1.0).ok)
