"""This node as an observer of other regions: which ones it was asked to watch, and what it has seen of them.

Whoever asks what was seen says with it which regions are to be watched (``du-node regions``). So nobody has to be
configured when a region comes or goes, and a node that nobody asks any more soon asks nobody either.
"""

from __future__ import annotations

import json
import os
import socket

from du_node import places, regions
from du_node.regions import Regions, clock

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from du_node.loop import Loop

WATCHED_SECONDS = 60.0
"""How long a region is watched after the last time that somebody asked."""
_SHORTEST, _LONGEST = 0.5, 60.0


class Outlook:
    """For ``serve``: ``look`` with every look, ``ask`` when it is ``next_due``, ``note`` when there may be news."""

    def __init__(self, loop: Loop) -> None:
        self._regions = Regions(loop)
        self._written: object = None

    @property
    def next_due(self) -> float:
        """When the next question is due (monotonic)."""
        return self._regions.next_due

    def look(self, order: Mapping[str, Any]) -> None:
        """``order`` is what ``take`` has written; it is over after a while."""
        now = clock()
        fresh = 0 <= now - order.get("asked", -WATCHED_SECONDS) < WATCHED_SECONDS
        named = [(one["name"], one["address"]) for one in order["regions"]] if fresh else []
        self._regions.know(named, order.get("interval", 2.0))

    def ask(self) -> None:
        """Put the questions that are due."""
        self._regions.ask()

    def note(self) -> None:
        """Write down what was seen, where that is new."""
        if not self._regions.news:
            return
        self._regions.news = False
        keep(places.REGIONS_SEEN, {"seen": regions.rows(self._regions.sights)})


def take(text: str) -> tuple[float, str]:
    """Watch these from now on: {"interval": seconds, "regions": [{"name", "address"}]}. Raises ValueError for others.

    With an empty text nothing changes. Gives back how many seconds whoever asks would wait for news (``wait``, or 0),
    and the mark of what he was told last (``knows``, or "").
    """
    if not text.strip():
        return 0.0, ""
    order = json.loads(text)
    try:
        wait = min(max(float(order.get("wait", 0.0)), 0.0), _LONGEST)
        named = [{"name": str(one["name"]), "address": _numeric(one["address"])} for one in order["regions"]]
        interval = min(max(float(order["interval"]), _SHORTEST), _LONGEST)
    except (AttributeError, KeyError, TypeError, OSError) as trouble:
        raise ValueError(f"{trouble!r} in the list of regions") from trouble
    keep(places.REGIONS, {"asked": clock(), "interval": interval, "regions": named})
    return wait, str(order.get("knows") or "")


def seen(read: Any) -> list[dict[str, Any]]:
    """What was seen of each region that is watched; ``read`` reads a file's object. Nothing of those of before."""
    named = {(one["name"], one["address"]) for one in read(places.REGIONS).get("regions", ())}
    kept = read(places.REGIONS_SEEN).get("seen", ())
    return regions.rows_told([row for row in kept if (row["name"], row["address"]) in named], clock())


def _numeric(address: str) -> str:
    """A name would have to be looked up, and ``serve`` waits for nobody."""
    socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return address


def keep(path: str, what: object) -> None:
    """Whole or not at all; it need not survive a boot."""
    fresh = f"{path}.{os.getpid()}.new"
    with open(fresh, "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(json.dumps(what))
    os.replace(fresh, path)  # noqa: PTH105 - pathlib stays out of serve
