"""Samples over a length of time: how long was it so, and how much of the time is known? Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from du_infra.autoscale.state import MEASURED_SECONDS, Sample

_MOMENT = 1.0


@dataclass(frozen=True)
class Window:
    """The last ``length`` seconds up to the newest sample. ``parts``: for how many seconds each sample speaks, which is
    until the one before it, and for the minute that it measured at most."""

    length: float
    parts: tuple[tuple[float, Sample], ...]

    @property
    def known(self) -> float:
        """Seconds that any sample speaks for."""
        return sum(seconds for seconds, _ in self.parts)

    @property
    def samples(self) -> list[Sample]:
        """Those that speak for any of it, the oldest first."""
        return [sample for _, sample in self.parts]

    def seconds(self, holds: Callable[[Sample], bool]) -> float:
        """For how long that held."""
        return sum(seconds for seconds, sample in self.parts if holds(sample))

    def reached(self, value: Callable[[Sample], int], share: float) -> int:
        """The largest number that ``value`` reached for ``share`` of the whole length; 0 where too little is known."""
        left = share * self.length
        for number, seconds in sorted(((value(s), seconds) for seconds, s in self.parts), reverse=True):
            left -= seconds
            if left <= 1e-6:
                return number
        return 0


def window(samples: Sequence[Sample], length: float) -> Window:
    """The last ``length`` seconds of ``samples`` (the oldest first)."""
    if not samples:
        return Window(max(length, _MOMENT), ())
    length = max(length, _MOMENT)
    start = samples[-1].when - length
    parts, before = [], float("-inf")
    for sample in samples:
        began = max(before, sample.when - MEASURED_SECONDS, start)
        if sample.when > start:  # one at the same moment as another speaks for no time of its own, and counts
            parts.append((sample.when - began, sample))
        before = max(before, sample.when)
    return Window(length, tuple(parts))
