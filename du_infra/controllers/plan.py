"""Who should mind which region: everybody plans the whole from what the store shows, and does its own part of it.

Pure. Whoever has a region keeps it; free ones go to who has fewest; and only who has two more than another gives one
away. So a controller that comes gets its fair share by as few moves as can be, and one that goes moves nothing but what
it had.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """``minds``: each living controller, and the regions that it would mind. ``holds``: each region that is held, and
    by whom."""

    minds: Mapping[str, Set[str]]
    holds: Mapping[str, str]


def fair(seen: Seen) -> dict[str, str]:
    """The controller for each region that anybody living would mind."""
    target = {name: who for name, who in seen.holds.items() if name in seen.minds.get(who, ())}
    load = dict.fromkeys(seen.minds, 0)
    for who in target.values():
        load[who] += 1
    for name in sorted({name for names in seen.minds.values() for name in names} - target.keys()):
        ready = [who for who, names in seen.minds.items() if name in names]
        target[name] = min(ready, key=lambda who: (load[who], _mark(who, name)))
        load[target[name]] += 1
    while _evened(seen, target, load):
        pass
    return target


def to_take(seen: Seen, me: str) -> set[str]:
    """Free regions that fall to us; what another holds is waited for until it is given."""
    return {name for name, who in fair(seen).items() if who == me and name not in seen.holds}


def to_give(seen: Seen, me: str) -> set[str]:
    """Regions of ours that fall to another, or that we do not mind any more."""
    target = fair(seen)
    return {name for name, who in seen.holds.items() if who == me and target.get(name) != me}


def _evened(seen: Seen, target: dict[str, str], load: dict[str, int]) -> bool:
    """Move regions, one by one, from who has most to who has fewest; whether any was. Each makes the loads more alike.

    A move that begins at the most and ends at the fewest never has to be followed by another of the same region.
    """
    ways = {(giver, taker): _of(giver, seen.minds[taker], target) for giver in load for taker in load}
    moved = False
    while move := _next_move(target, load, ways):
        name, taker = move
        load[target[name]] -= 1
        load[taker] += 1
        target[name], moved = taker, True
    return moved


def _of(giver: str, names: Set[str], target: Mapping[str, str]) -> Iterator[str]:
    return (name for name in sorted(names) if target[name] == giver)


def _next_move(
    target: Mapping[str, str], load: Mapping[str, int], ways: Mapping[tuple[str, str], Iterator[str]]
) -> tuple[str, str] | None:
    for giver in sorted(load, key=lambda who: (-load[who], who)):
        for taker in sorted(load, key=lambda who: (load[who], who)):
            if load[giver] - load[taker] < 2:
                break
            if name := next(ways[giver, taker], None):
                return name, taker
    return None


def _mark(who: str, name: str) -> str:
    """Among equals each region has an order of its own, so that two who plan at once do not run for the same ones."""
    return hashlib.blake2b(f"{who} {name}".encode(), digest_size=8).hexdigest()
