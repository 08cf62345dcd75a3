"""Nodes that came back with another release than the one that serves: who is brought along now. Pure: no I/O, no clock.

A release may end without a node that did not answer. It comes back with what it had, and the others send it requests as
soon as it is ready, so that visitors meet two versions until it has caught up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

HOUR = 3600.0
PER_HOUR = 6
"""How often one node is tried within an hour."""
FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0


@dataclass(frozen=True)
class Runs:
    """What a node on which the region counts runs: by service, the release that ``serves``, and which are ``ready``.

    ``free``: it answers, and nobody works on it.
    """

    name: str
    serves: Mapping[str, str] = field(default_factory=dict)
    ready: frozenset[str] = frozenset()
    free: bool = True


@dataclass(frozen=True)
class Late:
    """A node behind the others: for each service what it serves, and what it is to serve."""

    node: str
    services: Mapping[str, tuple[str, str]]

    def __str__(self) -> str:
        return ", ".join(f"{name} {old} → {new}" for name, (old, new) in self.services.items())


@dataclass(frozen=True)
class CatchUp:
    """Who is brought along now, None for nobody; ``left`` says, by node, who is behind and why that is left so."""

    late: Late | None = None
    left: Mapping[str, str] = field(default_factory=dict)


def plan_catch_up(
    nodes: Sequence[Runs],
    live: Mapping[str, str],
    *,
    open_: Collection[str] = (),
    tries: Mapping[str, Sequence[float]],
    now: float,
    hindrance: str = "",
) -> CatchUp:
    """Which node goes to the releases that serve now. At most one at a time.

    ``live``: the release of each service that serves by the store's word; services in ``open_`` have a release under
    way or held, and are its matter. ``tries``: when each node was tried, by the clock of ``now``. ``hindrance``: why
    nobody may be brought along; "" for nothing. What is promised (and tested for every input):

    - A node goes to no release but one that serves by the store's word and, ready, on another node.
    - Nobody is touched on whom somebody works, nor more often than ``PER_HOUR``.
    - A node that cannot be brought along keeps no other from it.
    """
    late, left = None, {}
    for found in _late(nodes, live, open_):
        proven = _proven(found, nodes)
        if why := hindrance or _not_now(proven, tries.get(found.node, ()), now):
            left[found.node] = f"{found}: {why}"
        elif late is None:
            late = proven
    return CatchUp(late, left)


def _late(nodes: Sequence[Runs], live: Mapping[str, str], open_: Collection[str]) -> Iterable[Late]:
    for node in nodes:
        behind = {
            name: (release, live[name])
            for name, release in node.serves.items()
            if release and live.get(name, release) != release and name not in open_
        }
        if node.free and behind:
            yield Late(node.name, behind)


def _proven(late: Late, nodes: Sequence[Runs]) -> Late:
    """What of it serves elsewhere, ready: the store may have been set back, and must not set a whole region back."""
    others = [node for node in nodes if node.name != late.node]
    serves = {(name, node.serves.get(name)) for node in others for name in node.ready}
    return Late(late.node, {name: way for name, way in late.services.items() if (name, way[1]) in serves})


def _not_now(late: Late, tries: Sequence[float], now: float) -> str:
    """Why this node is not brought along now."""
    if not late.services:
        return "no other node serves that, so `region up` decides"
    recent = [at for at in tries if now - at < HOUR]
    if len(recent) >= PER_HOUR:
        return f"it was tried {len(recent)} times within an hour"
    if recent and now - max(recent) < wait_after(len(recent)):
        return "it was tried a moment ago, and is tried again"
    return ""


def wait_after(tries: int) -> float:
    """Seconds until a node is tried again that was tried so often."""
    return float(min(FIRST_WAIT * 2 ** (tries - 1), LONGEST_WAIT))
