"""Which work on a region was cut off half-way, and whether it is gone on with by nobody's order. Pure: no I/O.

Nothing is destroyed that nobody said yes to: who marks a node as leaving or replaced, or asks for fewer nodes, was
asked before. What fleet.yaml has come to say since was not: it waits for ``region up``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from du_infra.pool.state import NodeState


@dataclass(frozen=True)
class Piece:
    """One node, as far as unfinished work shows on it.

    ``state``: its mark in the store. ``joined``: it has let us in once. ``configured``: du-node is there. ``complete``:
    it runs every service that another node runs. ``foreign``: it left for somebody who destroys its machine himself.
    """

    name: str
    state: NodeState = ""
    joined: bool = True
    configured: bool = True
    complete: bool = True
    foreign: bool = False

    @property
    def staying(self) -> bool:
        """Whether the region counts on it."""
        return self.state in ("", "returning")


@dataclass(frozen=True)
class Resume:
    """What goes on: ``work``, in words by node ("" for the region), for a region that is to have ``nodes`` nodes.

    ``waits``: why none of it goes on now; "" when it may.
    """

    nodes: int = 0
    work: Mapping[str, str] = field(default_factory=dict)
    waits: str = ""


def plan_resume(
    pieces: Sequence[Piece], *, scaled: int | None, written: int, first: Sequence[str] = (), hindrance: str = ""
) -> Resume:
    """What was cut off in a region of these nodes.

    ``scaled``: the number of nodes that a scale asked for, None where fleet.yaml's word counts, which is ``written``.
    ``first``: services whose first release was cut off. ``hindrance``: why nothing may be gone on with now. What is
    promised (and tested for every input):

    - Unless a scale asked for fewer, no node leaves that is not marked, and none is made but for one to be replaced.
    - Nothing goes on while there is a node whose machine somebody else destroys, or when no node would stay.
    """
    nodes = _nodes(pieces, scaled, written)
    work = dict(_work(pieces, scaled, first))
    if not work:
        return Resume()
    foreign = [piece.name for piece in pieces if piece.foreign]
    if foreign:
        hindrance = f"{', '.join(foreign)} left for somebody who destroys its machine; `region up` does it otherwise"
    elif nodes < 1:
        hindrance = "no node would stay"
    return Resume(nodes, work, hindrance)


def _nodes(pieces: Sequence[Piece], scaled: int | None, written: int) -> int:
    """For a node that is to be replaced another may have been made already, or not."""
    if scaled is not None:
        return scaled
    stay, replaced = sum(piece.staying for piece in pieces), sum(piece.state == "replaced" for piece in pieces)
    return min(max(stay, written), stay + replaced)


def _work(pieces: Sequence[Piece], scaled: int | None, first: Sequence[str]) -> Iterator[tuple[str, str]]:
    stay = sum(piece.staying for piece in pieces)
    if pieces and scaled is not None and stay != scaled:
        yield "", f"{scaled} node(s) were asked for, and {stay} are to stay"
    elif first:
        yield "", f"the first release of {', '.join(first)} was cut off"
    for piece in pieces:
        if words := _of(piece):
            yield piece.name, words


def _of(piece: Piece) -> str:
    match piece.state:
        case "leaving":
            return "it is on its way out"
        case "replaced":
            return "another is to take its place"
        case "returning":
            return "it is to take requests again"
    if not piece.joined:
        return "it is being made"
    if not piece.configured:
        return "it is not configured yet"
    return "" if piece.complete else "it does not run yet what the others run"
