"""The world's entrance as it is shown. Who minds it tells a board (``Board.traffic``); until then there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class EntrySeen:
    """One region behind the name: ``weight`` beside the others' weights, ``share`` of the answers it gets (0 to 1).

    ``votes``: by observer, whether it called the region well; None when it has said nothing of late.
    """

    weight: int
    share: float
    up: bool
    why: str = ""
    votes: Mapping[str, bool | None] = field(default_factory=dict)


@dataclass(frozen=True)
class TrafficSeen:
    """What a name answers. ``notes`` say what waits, and why; ``frozen``: nothing is changed until somebody says so."""

    at: float
    name: str
    entries: Mapping[str, EntrySeen] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    frozen: bool = False
