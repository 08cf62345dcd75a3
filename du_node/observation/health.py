"""Whether a copy runs, is ready, and has memory: asked once a second."""

from __future__ import annotations

import time

from du_node import probe, processes
from du_node.cgroups import OomKills, memory_of
from du_node.observation.judge import MISSED, Health
from du_node.readiness import explain
from du_node.restarts import count_restart
from du_node.runtime.driver import ContainerState, Runtime, state_at_end
from du_node.runtime.labels import name_of
from du_node.state import Container

_PROBE_SECONDS = 2.0


class Vitals:
    """Follows one copy, and starts it again as often as ``max_restarts`` allows."""

    def __init__(self, container: Container, tool: Runtime, max_restarts: int) -> None:
        self._container = container
        self._tool = tool
        self._left = max_restarts
        self._falls, self._how = 0, ""
        self._missed = 0
        self._patience = 0.0
        self.oom = 0
        """Processes that were killed because memory ran out."""
        self.restarts = 0
        self._follow()

    def look(self) -> Health:
        """How it is now. The runtime, which is slow to ask, is asked only when the copy does not answer well."""
        if self._pid and processes.wait(self._pid, 0):
            return self._fell(state_at_end(self._tool, name_of(self._container), self._pid))
        answer = probe.get(self._container.port, self._container.route.ready, _PROBE_SECONDS)
        state = None if answer.ok else self._tool.state(name_of(self._container))
        if state and not state.running:
            return self._fell(state)
        if kills := self._kills.more():
            self.oom += kills
            self._falls += kills
            self._how = f"lost {kills} of its processes because memory ran out"
        if answer.ok:
            self._missed, self._patience = 0, 0.0
        elif time.monotonic() >= self._patience:
            self._missed += 1
        return self._health(explain(self._container, answer))

    def rest(self, seconds: float) -> None:
        """Wait until it is time for the next look: at once when the copy ends."""
        if not self._pid:
            time.sleep(max(0.0, seconds))
        else:
            processes.wait(self._pid, seconds)

    def _health(self, why: str) -> Health:
        return Health(self._falls, self._how, self._missed, why)

    def _follow(self) -> None:
        """Find its first process and its memory group, which are others after every start."""
        self._pid = self._tool.state(name_of(self._container)).pid
        self._kills = OomKills(memory_of(self._pid) if self._pid else None)

    def _fell(self, state: ContainerState) -> Health:
        """It does not run any more: why, and whether it runs again."""
        self._pid = 0
        if not state.exists:
            return Health(self._falls, self._how, MISSED, "its container is gone")
        self._falls += 1
        self._how = f"ended by itself with exit code {state.exit_code}"
        if self._kills.ended(state.exit_code, state.oom):
            self.oom += 1
            self._how = "was killed because memory ran out"
        if self._left:
            self._left -= 1
            self._start_again()
        return self._health("")

    def _start_again(self) -> None:
        self.restarts += 1
        count_restart(self._container)
        self._tool.start(self._container)
        self._follow()
        # It may take as long to get ready as it may at its first start.
        self._missed, self._patience = 0, time.monotonic() + self._container.start_timeout
