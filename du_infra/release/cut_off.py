"""Releases that were cut off are brought to their end by nobody's order: which go on now, and which wait. Pure: no I/O.

A release that somebody works on, or that is held for a person, is left to them. Everything else has its direction
written down, and going on means what it would have meant for whoever was at it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from du_infra.release.state import Rollout


@dataclass(frozen=True)
class Mate:
    """A node on which the region counts, as far as a release that was cut off depends on it.

    ``lost``: nobody counts on it any more, by the word of its observers (health.heal). ``well``: somebody says that it
    is well, though it may not answer us. ``joined``: it has been part of the region.
    """

    name: str
    answers: bool = True
    lost: bool = False
    well: bool = True
    joined: bool = True


@dataclass(frozen=True)
class CutOff:
    """A release that goes on, or ``waits`` for what is said there; ``lost`` are nodes that do not hold it up."""

    row: Rollout
    waits: str = ""
    lost: tuple[str, ...] = ()

    def __str__(self) -> str:
        row, lost = self.row, f"; {', '.join(self.lost)} is given up" if self.lost else ""
        goes = f"goes back to {row.previous or 'nothing'}" if _goes_back(row) else "goes on"
        what = f"waits: {self.waits}" if self.waits else f"{goes}{lost}"
        return f"the release of {row.service} {row.release} was cut off, and {what}"


def plan_cut_off(
    rows: Iterable[Rollout], at_work: Collection[str], mates: Sequence[Mate], *, hindrance: str = ""
) -> tuple[CutOff, ...]:
    """What becomes of the open releases ``rows``, the oldest first; ``at_work`` are services that somebody works on.

    ``hindrance``: why none of them may go on; "" for nothing. What is promised (and tested for every input):

    - None goes on that is at work or held.
    - None waits for a node that is lost, so none waits for ever for one that is dead by the word of two.
    - None goes back without a node that may have the new release and that nobody has given up.
    """
    lost = tuple(mate.name for mate in mates if mate.lost)
    found = []
    for row in rows:
        if row.cut_off(row.service in at_work) and (lost or not _first(row)):
            found.append(CutOff(row, hindrance or _awaited(row, mates), lost))
    return tuple(found)


def _awaited(row: Rollout, mates: Sequence[Mate]) -> str:
    """Who is silent and may still come back. A booting machine is worth more than a release that turns back for it."""
    silent = [mate for mate in mates if not mate.answers and mate.joined]
    asked = {name for name, told in row.nodes.items() if told.get("asked")}
    if _goes_back(row):
        waiting = [mate for mate in silent if mate.name in asked and not mate.lost]
    elif len(silent) <= int(row.options.get("max_unavailable") or 0):
        return ""
    else:
        waiting = [mate for mate in silent if not mate.lost and (mate.name in asked or not mate.well)]
    names = ", ".join(mate.name for mate in waiting)
    return f"{names} {'do' if len(waiting) > 1 else 'does'} not answer, and may come back" if waiting else ""


def _goes_back(row: Rollout) -> bool:
    return row.direction == "back" or bool(row.request)


def _first(row: Rollout) -> bool:
    """A first release by ``region up`` goes on with the rest of it (health.resume), unless a node is lost meanwhile."""
    return row.kind == "up" and not row.previous and not _goes_back(row)
