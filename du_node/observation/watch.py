"""Watches a new copy while it gets real requests, and says at the end, or as soon as it is clear, how it does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from du_node import processes
from du_node.errors import NodeError
from du_node.observation.access import PATH, Tail, parse, recent
from du_node.observation.health import Vitals
from du_node.observation.judge import judge, too_few
from du_node.observation.signals import Tally
from du_node.readiness import told_last
from du_node.rollout import Rollout
from du_node.runtime.driver import Runtime
from du_node.runtime.labels import name_of
from du_node.state import Container

BEFORE = 300.0
"""Seconds before the observation in which the old copy's own numbers are taken."""
_LOOK, _TELL = 1.0, 2.0


class ObservationFailed(NodeError):
    """NodeError observation, with the numbers that it is about in ``report``."""

    def __init__(self, new: Container, why: str, report: dict[str, Any]) -> None:
        super().__init__(
            "observation",
            f"{new.service}: {why}",
            todo="look at the log lines above; what is allowed is set by `release:` in fleet.yaml",
            detail=told_last(new),
            service=new.service,
        )
        self.report = report


def observe(
    new: Container,
    old: Container,
    rollout: Rollout,
    share: int,
    tool: Runtime,
    tell: Callable[[dict[str, Any]], None],
    log: str = PATH,
) -> dict[str, Any]:
    """Watch ``new``, which gets ``share`` percent of the requests, for ``rollout.observe`` seconds.

    Every two seconds ``tell`` gets a line of output. Returns the numbers of the whole time: requests, errors,
    error_percent, p95_ms, old_p95_ms, restarts, oom, and a ``note`` when they were too few to judge by.
    Raises ObservationFailed as soon as the new copy is surely worse than ``rollout`` allows.
    """
    watch = _Watch(new, old, rollout, tool, log, beside=share < 100)
    end = time.monotonic() + rollout.observe
    told = time.monotonic()
    while True:
        left = end - time.monotonic()
        verdict = watch.look(final=left <= 0)
        if verdict:
            raise ObservationFailed(new, verdict, watch.report())
        if left <= 0:
            return watch.report()
        if time.monotonic() - told >= _TELL:
            told = time.monotonic()
            tell(watch.line(end - told))
        watch.rest(min(_LOOK, end - time.monotonic()))


class _Watch:
    """The numbers of both copies, and how the new one is."""

    def __init__(
        self, new: Container, old: Container, rollout: Rollout, tool: Runtime, log: str, *, beside: bool
    ) -> None:
        self._new, self._old, self._rollout = new, old, rollout
        self._tail = Tail(log)
        # A port may have been another copy's before this one was started.
        age = processes.age(tool.state(name_of(old)).pid)
        self._old_tally = Tally(old.port, recent(min(BEFORE, age), time.time(), log))
        self._tally = Tally(new.port)
        self._beside = beside
        self._vitals = Vitals(new, tool, rollout.max_restarts)

    def look(self, *, final: bool) -> str:
        """Take in what is new; what is wrong with the new copy, or ""."""
        attempts = [attempt for line in self._tail.lines() for attempt in parse(line)[1]]
        self._tally.add(attempts)
        if self._beside:  # as a mere backup it would get the requests that went wrong, and look bad
            self._old_tally.add(attempts)
        names = self._new.tag, self._old.tag
        return judge(self._tally, self._old_tally, self._vitals.look(), self._rollout, names=names, final=final)

    def rest(self, seconds: float) -> None:
        """Wait, but not when there is something to see."""
        self._vitals.rest(seconds)

    def report(self) -> dict[str, Any]:
        """The numbers so far."""
        return {
            "requests": self._tally.requests,
            "errors": self._tally.errors,
            "error_percent": round(100 * self._tally.error_share, 2),
            "p95_ms": self._tally.p95_ms,
            "old_p95_ms": self._old_tally.p95_ms,
            "restarts": self._vitals.restarts,
            "oom": self._vitals.oom,
            "note": too_few(self._tally, self._old_tally, self._rollout),
        }

    def line(self, left: float) -> dict[str, Any]:
        """The numbers so far, as a line of output."""
        numbers = self.report()
        text = (
            f"{self._new.service} {self._new.tag}: {numbers['requests']} requests, "
            f"{numbers['error_percent']:.1f} % errors, p95 {numbers['p95_ms']} ms "
            f"({self._old.tag}: {numbers['old_p95_ms']} ms), {left:.0f} s left"
        )
        return {"kind": "observe", "service": self._new.service, "text": text, "left_s": round(left, 1), **numbers}
