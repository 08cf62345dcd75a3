"""Which regions are given out, and with what weight, when some of them are down. Pure.

The weights by plan (``base``) are what everything starts from: a region that is up never gets less of the whole than
they say, and one that is down never more. So a word too many about a region's death cannot help it to requests.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from du_infra.traffic.shares import spread

Mode: TypeAlias = Literal["calm", "fail-over", "standby", "fail-open"]


@dataclass(frozen=True)
class Given:
    """What is given out. ``weights`` of all regions; ``out`` have a weight by plan and are not given out.

    ``kept`` are down and given out as ever, for the sake of min_regions. ``left`` are down and keep some weight:
    the others have no room for all of it.
    """

    weights: Mapping[str, int]
    mode: Mode = "calm"
    out: frozenset[str] = frozenset()
    kept: tuple[str, ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)

    def up(self, name: str) -> bool:
        """Whether its DNS entry may be given out, if it has any weight."""
        return name not in self.out or name in self.left


def give_out(
    base: Mapping[str, int],
    up: Collection[str],
    least: int,
    rooms: Mapping[str, float],
    standbys: Collection[str] = (),
    out_before: Collection[str] = (),
) -> Given:
    """Weights for ``base`` when just ``up`` are up.

    ``least`` regions are given out whatever happens; ``rooms`` as capacity.rooms_of has them (who is not there has room
    for everything: nobody knows better). ``standbys`` have no weight (yet), and take over when all others are down.
    ``out_before`` were not given out before: of those that are down the others are kept first. When all are down, all
    are given out.
    """
    weighted = [name for name, weight in base.items() if weight > 0]
    dead = [name for name in weighted if name not in up]
    if not dead:
        return Given(base)
    serving = [name for name in weighted if name in up] if len(dead) < len(weighted) else []
    mode: Mode = "fail-over" if serving else "standby"
    serving = serving or sorted(name for name in standbys if name in up)
    if not serving:
        return Given(base, "fail-open", kept=tuple(dead))
    missing = min(least, len(weighted)) - len(serving)
    kept = sorted(dead, key=lambda name: (name in out_before, -base[name], name))[: max(0, missing)]
    out = frozenset(dead) - frozenset(kept)
    if not out and mode == "fail-over":
        return Given(base, mode, kept=tuple(kept))
    return _without(base, serving, kept, out, rooms, mode)


def _without(
    base: Mapping[str, int],
    serving: list[str],
    kept: list[str],
    out: frozenset[str],
    rooms: Mapping[str, float],
    mode: Mode,
) -> Given:
    total = sum(base.values())
    alone = {name: base[name] for name in (*serving, *kept)}
    if mode == "standby":
        alone |= dict.fromkeys(serving, max(base.values()))
    every = sum(alone.values())
    tight = [name for name in serving if alone[name] > rooms.get(name, float("inf")) * every]
    if not tight:
        return Given({**base, **alone}, mode, out, tuple(kept))
    more, rest = _fill(base, serving, sum(base[name] for name in out), {n: rooms.get(n) for n in serving}, total)
    left = spread(rest, {name: base[name] for name in sorted(out)})
    weights = {**base, **dict.fromkeys(out, 0), **left, **{name: base[name] + more[name] for name in serving}}
    return Given(weights, mode, out, tuple(kept), {name: part for name, part in left.items() if part})


def _fill(
    base: Mapping[str, int], serving: list[str], pool: int, rooms: Mapping[str, float | None], total: int
) -> tuple[dict[str, int], int]:
    """How much of ``pool`` each gets on top, by its weight and within its room; and what nobody has room for."""
    more = dict.fromkeys(serving, 0)
    room = {
        name: pool if (share := rooms[name]) is None else max(0, int(min(share, 1.0) * total + 1e-9) - base[name])
        for name in serving
    }
    while pool and (able := {name: max(1, base[name]) for name in serving if room[name] > more[name]}):
        for name, part in spread(min(pool, sum(room[n] - more[n] for n in able)), able).items():
            taken = min(part, room[name] - more[name])
            more[name] += taken
            pool -= taken
    return more, pool
