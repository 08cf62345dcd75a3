"""Counts what happened: requests, losses with kind and moment, latencies, releases that answered, cut streams."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

LISTED = 500
"""How many losses and cuts are listed one by one; all are counted."""


@dataclass(frozen=True)
class Loss:
    """A request that got no good answer: seconds since the start, which kind of request, what happened."""

    at: float
    kind: str
    what: str


@dataclass(frozen=True)
class Cut:
    """A long-lived connection that the other side ended: when, after how many seconds of its life, by whom served."""

    at: float
    kind: str
    what: str
    after: float
    release: str


@dataclass
class Seen:
    """A release in the answers: how many, and from when to when (seconds since the start)."""

    count: int = 0
    first: float = 0.0
    last: float = 0.0


@dataclass
class _Kind:
    lost: int = 0
    latencies: list[float] = field(default_factory=list)


class Tally:
    """All counts of one run. Moments are given on the monotonic clock and told as seconds since the start."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.moved = 0
        self.lag = 0.0
        self._requests = 0
        self._kinds: dict[str, _Kind] = defaultdict(_Kind)
        self._losses: list[Loss] = []
        self._what: Counter[str] = Counter()
        self._cuts: list[Cut] = []
        self._releases: dict[str, Seen] = defaultdict(Seen)
        self._last_good = self.began
        self._gap = (0.0, 0.0)
        self._stopped = False

    def good(self, kind: str, due: float, release: str = "") -> None:
        """A good answer, now, to a request that was due at ``due``."""
        now = self.message(kind, due)
        self._requests += 1
        self._mind_gap(now)
        if release:
            seen = self._releases[release]
            seen.first = seen.first or now - self.began
            seen.last = now - self.began
            seen.count += 1

    def stop(self) -> None:
        """No more requests from now on; what is still under way only counts as good or lost."""
        self._mind_gap(time.monotonic())
        self._stopped = True

    def _mind_gap(self, now: float) -> None:
        if not self._stopped:
            self._gap = max(self._gap, (now - self._last_good, self._last_good - self.began))
            self._last_good = now

    def message(self, kind: str, due: float) -> float:
        """A message of a stream that came in time: its latency counts, but it is no request. The moment."""
        now = time.monotonic()
        self._kinds[kind].latencies.append(now - due)
        return now

    def lost(self, kind: str, what: str) -> None:
        """A request that failed now."""
        self._kinds[kind].lost += 1
        self._what[f"{kind}: {what}"] += 1
        self._losses.append(Loss(round(time.monotonic() - self.began, 4), kind, what))

    def cut(self, kind: str, what: str, opened: float, release: str) -> None:
        """A stream opened at ``opened`` was ended now by the other side."""
        now = time.monotonic()
        self._cuts.append(Cut(round(now - self.began, 4), kind, what, round(now - opened, 3), release))

    def summary(self) -> dict[str, object]:
        """Everything as plain values, for JSON. Times in seconds, latencies in milliseconds."""
        lost = sum(kind.lost for kind in self._kinds.values())
        return {
            "began": self.began,
            "seconds": round(time.monotonic() - self.began, 3),
            "requests": self._requests + lost,
            "lost": lost,
            "lost_by": dict(self._what.most_common()),
            "losses": [asdict(loss) for loss in self._losses[:LISTED]],
            "cut": len(self._cuts),
            "cuts": [asdict(cut) for cut in self._cuts[:LISTED]],
            "moved": self.moved,
            "kinds": {name: _figures(kind) for name, kind in sorted(self._kinds.items())},
            "releases": {name: asdict(seen) for name, seen in self._releases.items()},
            "longest_gap": {"seconds": round(self._gap[0], 4), "at": round(self._gap[1], 4)},
            "lag_ms": round(self.lag * 1000, 1),
        }


def percentile(values: list[float], share: float) -> float:
    """The value below which ``share`` (0 to 1) of the values lie (nearest rank); 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


def _figures(kind: _Kind) -> dict[str, float]:
    times = kind.latencies
    return {
        "count": len(times) + kind.lost,
        "lost": kind.lost,
        "p50_ms": round(percentile(times, 0.5) * 1000, 2),
        "p95_ms": round(percentile(times, 0.95) * 1000, 2),
        "worst_ms": round(max(times, default=0.0) * 1000, 2),
    }
