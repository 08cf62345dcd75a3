"""What this node thinks of its region's other nodes. No I/O: answers and moments in, who takes requests out.

A node that refuses connections, or cannot be reached, is out at once; one that is silent, or says that a service is not
ready, at the second time; one that asks to be spared (``draining``) at the first. Two good answers bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

_BAD, _GOOD = 2, 2
_MOST_QUESTIONS = 20.0
_PERIOD = 0.4

Named = tuple[str, str]
"""A peer's name and address."""


class Sight:
    """One peer as the last answers showed it. ``since`` is when ``up`` last changed, in seconds of some clock.

    ``up``: it answers at all. ``draining``: it wants no requests. ``front``: what comes to the region's address comes
    to it. ``stands``: it has services, or needs none. ``well``: it says that all it should serve is ready. ``follows``:
    the address of the node to whose connections it sends what comes to the region's address; empty for none.
    """

    __slots__ = (
        *("_bad", "_default", "_ready", "_streaks"),
        *("draining", "follows", "front", "peer", "since", "stands", "up", "well"),
    )

    def __init__(self, peer: Named, now: float, usable: Mapping[str, bool], *, default: bool) -> None:
        self.peer = peer
        self.up = self.well = True
        self.since = now
        self.draining = self.front = self.stands = False
        self.follows = ""
        self._bad = 0
        self._default = default
        self._ready = dict(usable)
        self._streaks: dict[str, int] = {}

    def told(self, said: Mapping[str, Any], now: float) -> None:
        """It answered: ``said`` is what its /readyz says; empty where its gateway alone answered."""
        self._bad = 0
        self._note(up=True, now=now)
        self.draining = bool(said.get("draining"))
        self.front = bool(said.get("front"))
        self.follows = str(said.get("follows") or "")
        releases = said.get("releases") or {}
        self.well = bool(said.get("ready"))
        self.stands = bool(said.get("ready") or releases)
        for service in {*releases, *self._ready}:
            self._count(service, good=bool(releases.get(service, {}).get("ready")))
        self._default = False

    def silent(self, now: float, *, gone: bool) -> None:
        """It did not answer in time; ``gone``: nobody takes connections there."""
        self._bad = _BAD if gone else self._bad + 1
        for service in self._ready:
            self._count(service, good=False, surely=gone)
        if self._bad >= _BAD:
            self._note(up=False, now=now)
            self.draining = self.front = self.stands = self.well = False
            self.follows = ""
            self._ready = dict.fromkeys(self._ready, False)
            self._default = False

    def serves(self, service: str) -> bool:
        """Whether the service is there and ready, be it draining or not."""
        return self._ready.get(service, self._default)

    def takes(self, service: str) -> bool:
        """Whether requests for the service should go there."""
        return self.serves(service) and not self.draining

    def _count(self, service: str, *, good: bool, surely: bool = False) -> None:
        streak = self._streaks.get(service, 0)
        streak = max(streak, 0) + 1 if good else min(streak, 0) - 1
        self._streaks[service] = streak
        before = self._ready.get(service, self._default)
        self._ready[service] = streak >= _GOOD or (before and streak > -_BAD and not surely)

    def _note(self, *, up: bool, now: float) -> None:
        if up != self.up:
            self.up, self.since = up, now


def period(count: int) -> float:
    """Seconds between two questions to the same peer, so that there are at most 20 a second in all."""
    return max(_PERIOD, count / _MOST_QUESTIONS)


def rotation(
    services: Collection[str], sights: Sequence[Sight], well: Collection[str], before: Mapping[str, Sequence[Named]]
) -> dict[str, list[Named]]:
    """Who takes requests for each service beside this node; a service that nobody else takes is left out.

    Where this node's own copy is not among the ``well`` and no peer would be left, one that wants no requests is better
    than none, and so is one of those ``before``: it may be our own question that gets lost.
    """
    found = {}
    for service in services:
        fit = [sight.peer for sight in sights if sight.takes(service)]
        if not fit and service not in well:
            fit = [sight.peer for sight in sights if sight.serves(service)] or _still(before.get(service, ()), sights)
        if fit:
            found[service] = sorted(fit)
    return found


def hands_over(sights: Iterable[Sight]) -> str:
    """Address of the peer that gives the region's address up, with connections that it still has; empty for none."""
    leaving = [sight for sight in sights if sight.up and sight.draining and sight.front]
    return leaving[-1].peer[1] if leaving else ""


def follow(sights: Iterable[Sight], is_mine: Callable[[str], bool]) -> bool:
    """Whether every peer that may get the region's address has made ready for the connections that stay here.

    ``is_mine`` says whether an address is this node's.
    """
    return all(is_mine(sight.follows) for sight in sights if sight.up and sight.stands and not sight.draining)


def steps_back(sights: Iterable[Sight], *, drained: bool, stands: bool) -> bool:
    """Whether this node leaves the region's address to the others.

    One that has nothing to serve yet waits until it has. One that is ``drained`` does so where another can take it.
    """
    sights = list(sights)
    other = any(sight.up and sight.stands and not sight.draining for sight in sights)
    return bool(sights) and (not stands or (drained and other))


def _still(before: Sequence[Named], sights: Sequence[Sight]) -> list[Named]:
    return [sight.peer for sight in sights if sight.peer in before]
