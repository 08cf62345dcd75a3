"""Asks other regions how they are, for whoever decides where the world's requests go. No decision is made here.

It is done the same way by ``serve`` on nodes and by the controller: what each of them has seen can be counted together.
"""

from __future__ import annotations

import json
import os
import time

from du_node.loop import Asking, Loop

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from typing import Any

    from du_node.probe import Answer

PORT = 80
_ANSWER_TIME, _CONNECT_TIME = 1.5, 1.0
_JITTER = 0.1
_LONGEST, _MOST = 300, 100

Named = tuple[str, str]
"""A region's name and the address at which the world finds it."""


class Sight:
    """One region: ``said`` is what its /readyz told last (None: no such answer, and ``why``), ``at`` when it was asked.

    ``at`` by a clock that cannot be set; below 0 before the first answer.
    """

    __slots__ = ("address", "at", "due", "name", "said", "why")

    def __init__(self, named: Named, due: float) -> None:
        self.name, self.address = named
        self.due = due
        self.at = -1.0
        self.said: dict[str, Any] | None = None
        self.why = ""


class Regions:
    """The questions to each region that is watched. ``news``: something was heard since it was last set to False."""

    def __init__(self, loop: Loop, port: int = PORT) -> None:
        self._loop, self._port = loop, port
        self._sights: dict[Named, Sight] = {}
        self._period = 2.0
        self.news = False

    @property
    def next_due(self) -> float:
        """When the next question is due (monotonic)."""
        return min((sight.due for sight in self._sights.values()), default=float("inf"))

    @property
    def sights(self) -> list[Sight]:
        """Of the regions that have been asked; each is as of its last answer."""
        return [sight for sight in self._sights.values() if sight.at >= 0]

    def know(self, named: Collection[Named], period: float) -> None:
        """These are to be asked from now on, each every ``period`` seconds, and not all at the same moment."""
        self._period = period
        for gone in self._sights.keys() - set(named):
            del self._sights[gone]
        for number, one in enumerate(sorted(set(named) - self._sights.keys())):
            self._sights[one] = Sight(one, time.monotonic() + min(period, 1.0) * number / len(named))

    def ask(self) -> None:
        """Put the questions that are due."""
        now = time.monotonic()
        for sight in self._sights.values():
            if sight.due <= now:
                sight.due = now + self._period * (1 + _JITTER * (_chance() - 0.5))
                self._put(sight)

    def _put(self, sight: Sight) -> None:
        heard = self._hears(sight, clock())
        try:
            self._loop.add(Asking(self._port, "/readyz", _ANSWER_TIME, heard, sight.address, _CONNECT_TIME))
        except (OSError, ValueError) as trouble:  # no such kind of address, or no file descriptor left
            sight.at, sight.said, sight.why, self.news = clock(), None, f"cannot be asked ({trouble})", True

    def _hears(self, sight: Sight, asked: float) -> Callable[[Answer], None]:
        def hears(answer: Answer) -> None:
            sight.said = told(answer.body) if answer.status in (200, 503) else None
            sight.why = "" if sight.said is not None else _why(answer)
            sight.at = asked
            self.news = True

        return hears


def told(body: str) -> dict[str, Any] | None:
    """What matters of a /readyz's answer; None when it is none. Others' words: never more than so much of them."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("ready"), bool):
        return None
    releases = found.get("releases")
    releases = releases if isinstance(releases, dict) else {}
    few = list(releases.items())[:_MOST]
    kept = {name: {"release": str(one.get("release", ""))[:_LONGEST]} for name, one in few if isinstance(one, dict)}
    words = {key: str(found.get(key) or "")[:_LONGEST] for key in ("fleet", "region", "why")}
    return {"ready": found["ready"], **words, "releases": kept}


def rows(sights: Collection[Sight]) -> list[dict[str, Any]]:
    """What was seen, as it is kept in a file; ``rows_told`` tells it."""
    return [
        {"name": one.name, "address": one.address, "at": one.at, "said": one.said, "why": one.why} for one in sights
    ]


def rows_told(kept: Collection[Mapping[str, Any]], now: float) -> list[dict[str, Any]]:
    """The same with ages in place of moments: no two machines' clocks need to agree."""
    return [
        {**{key: row[key] for key in ("name", "address", "said", "why")}, "age_s": round(max(0.0, now - row["at"]), 2)}
        for row in kept
    ]


def clock() -> float:
    """Seconds by the clock of what was seen: nobody can set it, and every process of the machine has the same."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _why(answer: Answer) -> str:
    if answer.status:
        return f"something else answers there (status {answer.status})"
    return answer.why


def _chance() -> float:
    return os.urandom(1)[0] / 255
