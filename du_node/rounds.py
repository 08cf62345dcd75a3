"""Asks the region's other nodes how they are, a few times a second, and writes down what comes of it. For ``serve``."""

from __future__ import annotations

import json
import os
import time

from du_node import peers, places
from du_node.loop import Asking, Loop
from du_node.peers import Named, Sight

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from typing import Any

    from du_node.probe import Answer

_ANSWER_TIME, _CONNECT_TIME = 0.75, 0.25


class Rounds:
    """The questions to every peer, and what is known of each. ``news``: something was heard since the last ``note``."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._sights: dict[Named, Sight] = {}
        self._due: dict[Named, float] = {}
        self._before: Mapping[str, Sequence[Named]] = _read_rotation()
        self._fresh = not os.path.exists(places.PEERS)  # noqa: PTH110 - pathlib stays out of serve
        self._judged: set[Named] = set()
        self._written = ""
        self.news = False

    @property
    def next_due(self) -> float:
        """When the next question is due (monotonic)."""
        return min(self._due.values(), default=float("inf"))

    @property
    def sights(self) -> list[Sight]:
        """The peers, in the order of their names."""
        return [self._sights[peer] for peer in sorted(self._sights)]

    @property
    def rotation(self) -> Mapping[str, Sequence[Named]]:
        """What was written down last: who takes requests, by service."""
        return self._before

    @property
    def settled(self) -> bool:
        """Whether every peer has been heard, or found silent, since it is known."""
        return self._sights.keys() <= self._judged

    def know(self, named: Collection[Named]) -> None:
        """These are the peers from now on. Those that come later take requests when they have answered well."""
        for gone in self._sights.keys() - set(named):
            del self._sights[gone], self._due[gone]
            self._judged.discard(gone)
        for peer in named:
            if peer not in self._sights:
                usable = {service: peer in there for service, there in self._before.items()}
                self._sights[peer] = Sight(peer, _now(), usable, default=self._fresh)
                self._due[peer] = 0.0
        self._fresh = False

    def ask(self) -> None:
        """Put the questions that are due."""
        now, distance = time.monotonic(), peers.period(len(self._sights))
        for peer, due in self._due.items():
            if due <= now:
                self._due[peer] = now + distance
                told = self._hears(self._sights[peer])
                self._loop.add(Asking(places.PEER_PORT, "/readyz", _ANSWER_TIME, told, peer[1], _CONNECT_TIME))

    def note(self, services: Collection[str], well: Collection[str]) -> None:
        """Write down who takes requests for ``services`` now, and how each peer is, where that has changed.

        Nothing is before every peer has been heard, or found silent, once.
        """
        self.news = False
        if not self.settled:
            return
        found = peers.rotation(services, self.sights, well, self._before)
        if found != self._before or not os.path.exists(places.PEERS):  # noqa: PTH110
            self._before = found
            _write(places.PEERS, {name: [_told(peer) for peer in there] for name, there in found.items()})
        old = peers.hands_over(self.sights)
        seen = {
            sight.peer[0]: {"up": sight.up, "ready": sight.well, "since": sight.since, **_wish(sight, old)}
            for sight in self.sights
        }
        text = json.dumps(seen)
        if text != self._written:
            self._written = text
            _write(places.SEEN, seen)

    def _hears(self, sight: Sight) -> Callable[[Answer], None]:
        def hears(answer: Answer) -> None:
            self.news = True
            self._judged.add(sight.peer)
            if answer.status:
                sight.told(_object(answer.body), _now())
                return
            sight.silent(_now(), gone=answer.refused)
            if sight.up and sight.peer in self._due:
                self._due[sight.peer] = 0.0  # once more at once: what it says then decides

        return hears


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _wish(sight: Sight, old: str) -> dict[str, bool]:
    return {"draining": sight.draining, "hands_over": sight.peer[1] == old}


def _told(peer: Named) -> dict[str, str]:
    return {"name": peer[0], "address": peer[1]}


def _read_rotation() -> dict[str, list[Named]]:
    try:
        with open(places.PEERS, encoding="utf-8") as file:  # noqa: PTH123
            told = json.load(file)
        return {name: [(item["name"], item["address"]) for item in there] for name, there in told.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write(path: str, what: object) -> None:
    """Whole or not at all; it need not survive a power cut."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(what))
    os.replace(f"{path}.new", path)  # noqa: PTH105


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)
