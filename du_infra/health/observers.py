"""Who observes which region. Pure: whoever asks gets the same, and nobody has to be told.

Names are put on a circle by their hashes. Each region is observed by du-infra and by nodes of the regions that come
next on it. So everybody asks as many as ask him: a thousand regions cost each of them no more than six do, which
rendezvous hashing gives only on average. Neighbours in name, which often are neighbours in a data centre as well, are
rarely neighbours there; and who comes or goes changes nothing but for the few that stand beside him.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from du_infra.health.heal import CONTROLLER

OBSERVERS_MOST = 5
"""Of each region, du-infra included: two of them may be gone, and a majority is still there."""


def appoint(regions: Iterable[str], most: int = OBSERVERS_MOST) -> dict[str, tuple[str, ...]]:
    """Who observes each region, du-infra first; never the region itself. All there are where they are few."""
    circle = sorted(set(regions), key=_place)
    twice, count = circle + circle, min(most - 1, len(circle) - 1)
    return {name: (CONTROLLER, *twice[at + 1 : at + 1 + count]) for at, name in enumerate(circle)}


def watched_by(observers: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """For each region those that its nodes are to ask, as ``appoint`` has it, in the order of their names."""
    found: dict[str, list[str]] = {name: [] for name in observers}
    for name in sorted(observers):
        for observer in observers[name]:
            if observer != CONTROLLER:
                found[observer].append(name)
    return {name: tuple(asked) for name, asked in found.items()}


def _place(name: str) -> tuple[bytes, str]:
    return hashlib.sha256(name.encode()).digest(), name
