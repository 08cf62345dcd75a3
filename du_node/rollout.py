"""How a release goes live: canary shares, observation, when connections are cut. No part of what a release is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from du_node import fields
from du_node.errors import NodeError

LONGEST = 86400.0
_WARM_UP = re.compile(rf"({fields.PATH.pattern})?")


@dataclass(frozen=True)
class Rollout:
    """The way from one release of a service to the next. Times in seconds.

    ``hold`` stops with the new copy reachable on the preview port alone. ``canary`` are the percentages of requests
    that the new copy gets before it gets all, growing, each observed for ``observe``; ``sticky`` keeps a visitor on
    the same side. ``passes`` readiness answers in a row are asked for, then ``warm_up`` (a path, or "").

    The new copy fails when its 5xx are more than ``max_errors`` percentage points above the old copy's, or its p95
    is more than ``max_latency`` times the old one's (both from ``min_requests`` requests on), or it ended by itself
    more than ``max_restarts`` times.

    ``cut_after`` the old copy has left the gateway, what is still connected to it is cut; None lets it run.
    """

    hold: bool = False
    canary: tuple[int, ...] = ()
    sticky: bool = False
    observe: float = 0.0
    passes: int = 3
    warm_up: str = ""
    max_errors: float = 1.0
    max_latency: float = 1.5
    min_requests: int = 50
    max_restarts: int = 0
    cut_after: float | None = 30.0


def parse(data: Mapping[str, Any], where: str) -> Rollout:
    """The ``rollout`` of a wanted service; what is missing is as in Rollout. Raises NodeError bad-wanted."""
    where = f"{where}: rollout"
    default = Rollout()
    return Rollout(
        hold=fields.get(data, "hold", bool, where, default.hold),
        canary=_shares(fields.get(data, "canary", list, where, []), where),
        sticky=fields.get(data, "sticky", bool, where, default.sticky),
        observe=fields.number(data, "observe", where, 0, LONGEST, default.observe),
        passes=fields.within(data, "passes", where, 1, 100, default.passes),
        warm_up=fields.match(data, "warm_up", _WARM_UP, where, default.warm_up),
        max_errors=fields.number(data, "max_errors", where, 0, 100, default.max_errors),
        max_latency=fields.number(data, "max_latency", where, 1, 1000, default.max_latency),
        min_requests=fields.within(data, "min_requests", where, 1, 1_000_000, default.min_requests),
        max_restarts=fields.within(data, "max_restarts", where, 0, 1000, default.max_restarts),
        cut_after=_cut_after(data, where),
    )


def _shares(found: list[Any], where: str) -> tuple[int, ...]:
    """Percentages that grow. 100 may end them; it is no canary any more, and left out."""
    fine = all(isinstance(share, int) and not isinstance(share, bool) and 1 <= share <= 100 for share in found)
    if not fine or found != sorted(set(found)):
        raise NodeError("bad-wanted", f"{where}: canary must be growing percentages from 1 to 100, not {found!r:.60}")
    return tuple(share for share in found if share < 100)


def _cut_after(data: Mapping[str, Any], where: str) -> float | None:
    """Here null has a meaning of its own: never."""
    if "cut_after" in data and data["cut_after"] is None:
        return None
    return fields.number(data, "cut_after", where, 0, LONGEST, 30.0)
