"""What the access log says of one copy, in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from du_node.observation.access import Attempt


class Tally:
    """Requests that one copy was given: how many, how many it failed, how long its answers took.

    A copy that did not answer, or answered 5xx, has failed. The time of a failure is not counted: an error is often
    quick, and would make a copy look fast.
    """

    def __init__(self, port: int, attempts: Iterable[Attempt] = ()) -> None:
        self.port = port
        self.requests = 0
        self.errors = 0
        self._ms: Counter[int] = Counter()
        self.add(attempts)

    def add(self, attempts: Iterable[Attempt]) -> None:
        """Count those that are this copy's."""
        for attempt in attempts:
            if attempt.port != self.port:
                continue
            self.requests += 1
            self.errors += attempt.failed
            if attempt.ms is not None and not attempt.failed:
                self._ms[attempt.ms] += 1

    @property
    def error_share(self) -> float:
        """Failed requests of all, 0 to 1; 0 where there were none."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def timed(self) -> int:
        """How many answers have a time."""
        return self._ms.total()

    def percentile(self, percent: int) -> int:
        """Milliseconds within which so many percent of the answers began (nearest rank); 0 where there were none."""
        rank = -(-self.timed * percent // 100)
        for ms in sorted(self._ms):
            rank -= self._ms[ms]
            if rank <= 0:
                return ms
        return 0

    def over(self, ms: float) -> int:
        """How many answers took longer than ``ms``."""
        return sum(count for took, count in self._ms.items() if took > ms)
