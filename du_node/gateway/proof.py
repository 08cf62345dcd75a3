"""What the live gateway says of itself, on loopback: the digest of its table, and who is routed where."""

from __future__ import annotations

from du_node import probe
from du_node.state import Pair

PORT = 19080
PATH = "/du"


def ask() -> tuple[str, dict[str, Pair]]:
    """The live table's digest ("" when there is none) and the slots of each service, over a fresh connection."""
    answer = probe.get(PORT, PATH, 1.0)
    if not answer.ok:
        return "", {}
    told = {name[3:]: value.split() for name, value in answer.headers.items() if name.startswith("du-")}
    return answer.body.strip(), {name: Pair(*slots[:2]) for name, slots in told.items() if slots}
