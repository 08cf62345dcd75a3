"""How busy copies are: what the kernel counted for their control groups, then and now.

Each call notes where the counters stand, in memory (/run); the next ones compare with it. So there is an answer from
the second call on, and as long as calls are not more than a minute apart.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from statistics import fmean
from typing import TypeAlias

from du_node import files, places
from du_node.cgroups import cpu_seconds
from du_node.errors import NodeError

_KEPT = f"{places.RUN}/copies-cpu.json"
_WINDOW = 60.0
_OLDEST = 75.0
_NEWEST = 5.0
"""Less than that says little."""

Readings: TypeAlias = Mapping[str, Mapping[str, float]]
"""Container → monotonic second, as text → seconds of CPU time that it had used by then."""


def percent(processes: Mapping[str, int]) -> float | None:
    """The mean over these containers (id → first process) of what each used of one CPU in the last minute, in percent;
    None unless it is known of all."""
    used = {container: cpu_seconds(pid) if pid else None for container, pid in processes.items()}
    now, kept = time.monotonic(), files.read_json(_KEPT)
    shares = [share(kept.get(container, {}), now, seconds) for container, seconds in used.items()]
    with suppress(NodeError):  # a full disk must not keep the node from saying how it is
        files.write(_KEPT, json.dumps(noted(kept, now, used)))
    known = [one for one in shares if one is not None]
    return round(100 * fmean(known), 1) if known and len(known) == len(shares) else None


def share(kept: Mapping[str, float], now: float, seconds: float | None) -> float | None:
    """CPU seconds a second since the reading that is nearest to a minute old; None where there is none of use."""
    ages = {now - float(when): before for when, before in kept.items()}
    useful = [age for age in ages if _NEWEST <= age <= _OLDEST]
    if seconds is None or not useful:
        return None
    age = min(useful, key=lambda age: abs(age - _WINDOW))
    return max(0.0, seconds - ages[age]) / age


def noted(kept: Readings, now: float, used: Mapping[str, float | None]) -> Readings:
    """What is kept from now on: the readings of a minute, of containers that were read now or then."""
    recent = {
        container: {when: seconds for when, seconds in readings.items() if now - float(when) <= _OLDEST}
        for container, readings in kept.items()
    }
    fresh = {
        container: {**recent.get(container, {}), str(round(now, 3)): seconds}
        for container, seconds in used.items()
        if seconds is not None
    }
    return {container: readings for container, readings in {**recent, **fresh}.items() if readings}
