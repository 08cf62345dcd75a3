"""How many requests each region took since DNS last changed and caches are clear, from counters that go on. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from du_infra.control.traffic.sightings import Board
from du_infra.traffic.seen import Seen

Counter = tuple[str, str, int]
"""A node, the word of its counting, and the count."""


class Counting:
    """Remembers where the counters stood. What it does not know any more, after a start say, it counts anew: the
    judgement is made later then, and by no other requests than it should be."""

    def __init__(self) -> None:
        self._since = 0.0
        self._base: dict[str, list[Counter]] = {}

    def look(self, board: Board, since: float, now: float) -> Seen | None:
        """The requests since ``since`` or, where the counters were first seen later, since then; None before."""
        counters = _counters(board)
        if now < since:
            return None
        oldest = min((w.at for name in counters for w in board.nodes[name].values()), default=now)
        if self._since < since or any(_whose(there) != _whose(self._base.get(n, [])) for n, there in counters.items()):
            if oldest < since:
                return None  # some stood there before
            self._since, self._base = oldest, counters  # where a node came or went, like is compared with like again
        counts = {name: _sum(there) - _sum(self._base[name]) for name, there in counters.items()}
        return Seen(self._since, counts)


def _counters(board: Board) -> dict[str, list[Counter]]:
    """Of the regions of which every node that was asked has told."""
    return {
        name: sorted((word.node, word.counted, word.count) for word in words.values())
        for name, words in board.nodes.items()
        if words and not any(word.silent for word in words.values())
    }


def _whose(counters: list[Counter]) -> Mapping[str, str]:
    return {node: counted for node, counted, _ in counters}


def _sum(counters: list[Counter]) -> int:
    return sum(count for _, _, count in counters)
