"""What observers have seen, as votes: plain data, no I/O.

Moments are of this machine's monotonic clock. What a node saw comes with its age, counted from when the node was asked:
its own clock does not matter, and an answer that took long makes what it says older, never younger.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from du_infra.health.heal import CONTROLLER
from du_infra.health.quorum import Expected, Vote, majority, vote_of
from du_infra.health.state import NodeReport

Votes = Mapping[str, Mapping[str, Vote]]
"""For each region, each observer's newest."""


@dataclass(frozen=True)
class Sighting:
    """One look at a region's /readyz at ``at``: what it told (docs/du-node.md; None: nothing of that), else ``why``."""

    at: float
    address: str
    said: Mapping[str, Any] | None
    why: str = ""


@dataclass(frozen=True)
class NodeWord:
    """What a node told at ``at``: what it saw of other regions, its load, and the requests that its copies have taken.

    ``count`` goes on and on; where counting began anew ``counted`` is another word. ``silent``: why it told nothing.
    ``mark``: what it is to be told when it is asked again, so that it waits for what is new.
    """

    node: str
    at: float
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    load: Mapping[str, float] = field(default_factory=dict)
    counted: str = ""
    count: int = 0
    draining: bool = False
    silent: str = ""
    mark: str = ""

    def report(self) -> NodeReport:
        """As far as a region's load goes."""
        return NodeReport(
            self.node,
            "",
            reachable=not self.silent,
            ready=True,
            draining=self.draining,
            load=self.load,
            why=self.silent,
        )


@dataclass(frozen=True)
class Board:
    """The newest of everything: ``own`` looks by region, and each region's nodes, as far as they were asked."""

    own: Mapping[str, Sighting] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, NodeWord]] = field(default_factory=dict)


def silent_of(board: Board) -> dict[str, str]:
    """The regions none of whose nodes tells anything, and why not."""
    found = {}
    for name, words in board.nodes.items():
        if words and all(word.silent for word in words.values()):
            newest = max(words.values(), key=lambda word: word.at)
            found[name] = f"{newest.node} tells nothing: {newest.silent}"
    return found


def word_of(node: str, asked: float, heard: float, told: Mapping[str, Any]) -> NodeWord:
    """What ``du-node regions``, asked at ``asked``, had said at ``heard``. Raises ValueError, KeyError or TypeError for
    what is no such word.

    By its own count it waited for news in between; that much later is what it says, but never later than it was heard.
    """
    spoke = min(asked + max(0.0, float(told["waited_s"])), heard)
    seen = {
        str(row["name"]): Sighting(spoke - max(0.0, float(row["age_s"])), row["address"], row["said"], row["why"])
        for row in told["regions"]
    }
    requests = told["requests"]
    return NodeWord(
        node,
        spoke,
        seen,
        told["load"],
        str(requests["id"]),
        int(requests["count"]),
        bool(told["draining"]),
        mark=str(told.get("mark", "")),
    )


def votes_of(
    board: Board,
    observers: Mapping[str, Sequence[str]],
    addresses: Mapping[str, str],
    fleet: str,
    expected: Mapping[str, Expected],
) -> dict[str, dict[str, Vote]]:
    """For each region that has an address, what each of its observers says. One that has seen nothing is not there.

    A region's word is that of the node which has seen it last; ``expected`` are the releases that may answer there.
    """
    found: dict[str, dict[str, Vote]] = {}
    for name, who in observers.items():
        if not (address := addresses.get(name, "")):
            continue
        given = {}
        for observer in who:
            seen = [one for one in _seen(board, observer, name) if one.address == address]
            if seen:
                newest = max(seen, key=lambda one: one.at)
                given[observer] = vote(newest, fleet, name, expected.get(name, {}))
        found[name] = given
    return found


def runs_of(
    board: Board, observers: Mapping[str, Sequence[str]], addresses: Mapping[str, str], oldest: float
) -> dict[str, dict[str, str]]:
    """By service and region, the release that a majority of the region's observers sees answer there since ``oldest``.

    Where there is no such majority the region is not there.
    """
    found: dict[str, dict[str, str]] = {}
    for name, who in observers.items():
        told: Counter[tuple[str, str]] = Counter()
        for observer in who:
            seen = [one for one in _seen(board, observer, name) if one.address == addresses.get(name) and one.said]
            newest = max(seen, key=lambda one: one.at, default=None)
            if newest and newest.said and newest.at >= oldest:
                releases = newest.said.get("releases", {})
                told.update((service, one.get("release", "")) for service, one in releases.items())
        for (service, release), times in told.items():
            if times >= majority(len(who)):
                found.setdefault(service, {})[name] = release
    return found


def vote(seen: Sighting, fleet: str, region: str, expected: Expected) -> Vote:
    """What a look says. An address at which another region answers is no way to this one."""
    said = seen.said
    if said is not None and (said.get("fleet"), said.get("region")) not in ((fleet, region), ("", "")):
        return Vote(seen.at, False, f"{said.get('region')} of fleet {said.get('fleet')} answers there")
    return vote_of(seen.at, said, expected, seen.why)


def _seen(board: Board, observer: str, region: str) -> Iterable[Sighting]:
    if observer == CONTROLLER:
        return [board.own[region]] if region in board.own else []
    words = board.nodes.get(observer, {}).values()
    return [word.sightings[region] for word in words if region in word.sightings]
