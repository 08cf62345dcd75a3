"""What the access log says of one copy, in numbers."""

from __future__ import annotations

from collections.abc import Iterable

from du_node.observation.access import Attempt

BLOCK = 50
"""Answers that are looked at together."""


class Tally:
    """Requests that one copy was given: how many, how many it failed, how long its answers took.

    A copy that did not answer, or answered 5xx, has failed. The time of a failure is not counted: an error is often
    quick, and would make a copy look fast.

    ``p95_ms`` is the median of the p95 of blocks of 50 answers each. Measured on one CPU at 500 requests a second: the
    second or two in which a release starts a container and reloads the gateway hold more than 5 % of a short
    observation's answers, at up to 660 ms instead of 40. The p95 of all answers would blame the new copy for that.
    """

    def __init__(self, port: int, attempts: Iterable[Attempt] = ()) -> None:
        self.port = port
        self.requests = 0
        self.errors = 0
        self.timed = 0
        """How many answers have a time."""
        self._open: list[int] = []
        self._p95s: list[int] = []
        self.add(attempts)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Count those that are this copy's."""
        for attempt in attempts:
            if attempt.port != self.port:
                continue
            self.requests += 1
            self.errors += attempt.failed
            if attempt.ms is not None and not attempt.failed:
                self._time(attempt.ms)

    @property
    def error_share(self) -> float:
        """Failed requests of all, 0 to 1; 0 where there were none."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def p95_ms(self) -> int:
        """Milliseconds within which 95 % of the answers begin, in most of the blocks; 0 where there were none."""
        return _rank(self._p95s, 50) if self._p95s else _rank(self._open, 95)

    def _time(self, ms: int) -> None:
        self.timed += 1
        self._open.append(ms)
        if len(self._open) == BLOCK:
            self._p95s.append(_rank(self._open, 95))
            self._open.clear()


def _rank(values: list[int], percent: int) -> int:
    """The nearest-rank percentile; 0 of nothing."""
    return sorted(values)[-(-len(values) * percent // 100) - 1] if values else 0
