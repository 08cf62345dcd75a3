"""Whether the gateways see what DNS was told: a resolver counts once there, and a thousand times in requests. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from du_infra.traffic.shares import percent

POINTS = 0.02
_SIGMAS = 2.0


@dataclass(frozen=True)
class Seen:
    """Requests that each region's gateways have counted since ``since`` (seconds, by the clock of ``now``).

    A region that did not tell is not there.
    """

    since: float
    counts: Mapping[str, int] = field(default_factory=dict)


def allowance(share: float, requests: int) -> float:
    """How far a measured share may be off: 2 points, and what chance does to so few requests (two deviations)."""
    return POINTS + _SIGMAS * math.sqrt(share * (1 - share) / requests) if requests else 1.0


def not_as_told(shares: Mapping[str, float], seen: Seen | None, since: float, min_requests: int) -> str:
    """Why the gateways' counts do not show that answers have these ``shares``, in words; "" when they do.

    Counts that begin before ``since`` are of other answers as well. With ``min_requests`` 0 nobody is asked.
    """
    if not min_requests:
        return ""
    given = {name: share for name, share in shares.items() if share > 0}
    if seen is None or seen.since < since:
        return "the gateways' counts since then are not known yet"
    if silent := sorted(name for name in given if name not in seen.counts):
        return f"the gateways of {', '.join(silent)} did not tell what they counted"
    total = sum(seen.counts.values())
    if total < min_requests:
        return f"{total} requests are too few to judge by, {min_requests} are needed"
    for name in sorted(seen.counts):
        share, found = shares.get(name, 0.0), seen.counts[name] / total
        if abs(found - share) > allowance(share, total) + 1e-9:
            return f"{name} gets {percent(found)} of {total} requests, and is told {percent(share)}"
    return ""
