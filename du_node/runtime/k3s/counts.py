"""How many copies of its services a cluster is to have: what the controller asks of any one node. An adapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from du_node.errors import NodeError
from du_node.fields import get
from du_node.runtime.k3s import copies
from du_node.runtime.k3s.api import Api, connect
from du_node.runtime.k3s.names import COPIES, NODE, OURS, SERVICE, SLOT, node_label
from du_node.safe import safe
from du_node.wanted import MOST_COPIES

_WHERE = "the order"


def order_of(data: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    """How many copies of which service, and the nodes that there are. Raises NodeError bad-wanted."""
    counts, nodes = get(data, "copies", dict, _WHERE), get(data, "nodes", list, _WHERE)
    for name, count in counts.items():
        safe("service", name)
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_COPIES:
            raise NodeError("bad-wanted", f"{_WHERE}: copies of {name} must be 1 to {MOST_COPIES}, not {count!r:.40}")
    if not nodes or not all(isinstance(node, str) for node in nodes):
        raise NodeError("bad-wanted", f"{_WHERE}: nodes must be the names of the region's nodes")
    return counts, nodes


def settle(
    counts: Mapping[str, int], nodes: Sequence[str], tell: Callable[[str], None], api: Api | None = None
) -> bool:
    """Have so many copies of each service; whether anything was changed. Slots of nodes that are gone go first: they
    would keep copies that nobody's gateway uses."""
    api = api or connect()
    changed = False
    there = {node_label(node.lower()) for node in nodes}
    for slot in api.all("services", OURS):
        labels = slot["metadata"]["labels"]
        if SLOT in labels and labels[NODE] not in there:
            tell(f"{labels[SERVICE]}: slot {labels[SLOT]} of a node that is gone is removed")
            api.delete("services", slot["metadata"]["name"])
            copies.leave(api, labels[SERVICE], labels[COPIES])
            changed = True
    for service, count in counts.items():
        if copies.ask(api, service, count):
            tell(f"{service}: {count} copies are asked for")
            changed = True
    return changed
