"""Whether a cluster's copies of a service share nodes while another node has none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from du_infra.health.state import Crowd, NodeReport


def crowd_of(service: str, reports: Sequence[NodeReport]) -> Crowd:
    """Who has no copy although others have several; nobody while copies move, or a node does not tell of its own.

    ``reports`` are of all of the region's nodes. The scheduler spreads copies when it places them, and moves none to a
    node that comes back later.
    """
    rows = {told.name: row for told in reports if told.answers and (row := told.copies_of(service))}
    here = {name: int(row["here"]) for name, row in rows.items()}
    if len(rows) < len(reports) or any(_moving(row, sum(here.values())) for row in rows.values()):
        return Crowd()
    bare = tuple(told.name for told in reports if told.takes_requests and not here[told.name])
    full = tuple(name for name, many in here.items() if many > 1)
    return Crowd(bare, full, alone=len(full) == sum(map(bool, here.values())) == 1) if bare and full else Crowd()


def _moving(row: Mapping[str, Any], seen: int) -> bool:
    return not int(row["count"]) == int(row["ready"]) == seen
