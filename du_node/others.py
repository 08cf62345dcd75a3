"""Looks after the other slots while a new one is watched: ``serve`` may not, for whoever watches holds the lock."""

from __future__ import annotations

import time
from collections.abc import Callable

from du_node import gateway, probe
from du_node.errors import NodeError
from du_node.restarts import count_restart
from du_node.runtime.driver import Runtime
from du_node.state import Container

_FIRST_WAIT, _LONGEST_WAIT = 2.0, 60.0


class Others:
    """Every slot that gets requests but the one that is watched; that one is judged, and not helped."""

    def __init__(self, watched: Container, tool: Runtime, warn: Callable[[str], None]) -> None:
        pairs = gateway.chosen().observe().pairs
        self._slots = [
            found
            for found in tool.containers()
            if found.service in pairs
            and found.slot in pairs[found.service].slots
            and (found.service, found.slot) != (watched.service, watched.slot)
        ]
        self._tool, self._warn = tool, warn
        self._waits: dict[str, float] = {}
        self._next: dict[str, float] = {}

    def look(self) -> None:
        """Start again what stands still, at growing distances where that does not help."""
        now = time.monotonic()
        for slot in self._slots:
            name = f"{slot.service} {slot.slot}"
            if now < self._next.get(name, 0.0) or not probe.get(slot.port, slot.route.ready, 1.0).refused:
                continue
            wait = self._waits.get(name, _FIRST_WAIT)
            self._next[name], self._waits[name] = now + wait, min(2 * wait, _LONGEST_WAIT)
            self._start(slot)

    def _start(self, slot: Container) -> None:
        try:
            if any(c.running for c in self._tool.containers() if (c.service, c.slot) == (slot.service, slot.slot)):
                return
            self._warn(f"{slot.service}: {slot.slot} stands still, and is started again")
            count_restart(slot)
            self._tool.start(slot)
        except NodeError as trouble:
            self._warn(f"{slot.service}: {slot.slot} cannot be started again ({trouble})")
