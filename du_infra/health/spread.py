"""Whether a cluster's copies of a service stand so that the loss of any one node leaves some. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from du_infra.health.state import NodeReport


def crowded(service: str, reports: Sequence[NodeReport]) -> str:
    """In words, who has no copy of a service although others have several; "" for nobody, or while copies move.

    ``reports`` are of all of the region's nodes. The scheduler spreads copies when it places them, and moves none to a
    node that comes back later.
    """
    rows = {told.name: row for told in reports if told.answers and (row := copies_of(service, told))}
    here = {name: int(row["here"]) for name, row in rows.items()}
    if not rows or len(rows) < len(reports) or any(_moving(row, sum(here.values())) for row in rows.values()):
        return ""
    bare = [told.name for told in reports if not here[told.name] and told.ready and not told.draining]
    full = [name for name, many in here.items() if many > 1]
    if not bare or not full:
        return ""
    return f"{' and '.join(bare)} {'has' if len(bare) == 1 else 'have'} no copy, and {' and '.join(full)} more than one"


def copies_of(service: str, report: NodeReport) -> Mapping[str, Any]:
    """What a node says of a service's copies (docs/du-node.md); empty where it has none."""
    found: Mapping[str, Any] = next((row for row in report.services if row.get("name") == service), {})
    copies: Mapping[str, Any] = found.get("copies") or {}
    return copies


def _moving(row: Mapping[str, Any], seen: int) -> bool:
    return not int(row["count"]) == int(row["ready"]) == seen
