"""Names of nodes: ``<fleet>-<region>-<number>``, each given out once. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable


def stem_of(fleet: str, region: str) -> str:
    """What the names of a region's nodes have before "-" and the number."""
    return f"{fleet}-{region}"


def node_name(fleet: str, region: str, number: int) -> str:
    """The name of the ``number``-th node of a region."""
    return f"{stem_of(fleet, region)}-{number}"


def number_of(name: str) -> int:
    """The number at the end of a node's name."""
    found = re.search(r"-(\d+)$", name)
    return int(found[1]) if found else 0


def is_node_of(fleet: str, region: str, name: str) -> bool:
    """Whether ``name`` is one that this region gives out."""
    stem = f"{stem_of(fleet, region)}-"
    # No regular expression: a provider lists thousands of machines, and each region's plan looks at all their names.
    return name.startswith(stem) and (number := name[len(stem) :]).isascii() and number.isdigit()


def region_of_node(fleet: str, regions: Iterable[str], name: str) -> str:
    """The region among ``regions`` that gives out ``name``; "" when none does."""
    return next((region for region in regions if is_node_of(fleet, region, name)), "")
