"""What the live gateway says of itself, on loopback: the digest of its table, and who is routed where."""

from __future__ import annotations

from du_node import probe
from du_node.state import Pair
from du_node.table import Entry

PORT = 19080
PATH = "/du"
PREFIX = "Du-"
PREVIEW_PORT = 8081
"""Where a copy that gets no requests yet is reached."""
NOT_SENT = 597
"""The status by which nginx tells another node that no slot was sent the request. No client gets it."""


def header(item: Entry) -> tuple[str, str]:
    """A service's header: "<primary> <backup> <canary> <share> <preview>", "-" for a slot that there is not."""
    pair = item.pair
    parts = (pair.primary, pair.backup, pair.canary, str(pair.share), pair.preview)
    return f"{PREFIX}{item.service}", " ".join(part or "-" for part in parts)


def pair_of(told: str) -> Pair | None:
    """A header's value, read; None when it says nothing."""
    parts = ["" if part == "-" else part for part in told.split()]
    primary, backup, canary, share, preview = [*parts, "", "", "", "", ""][:5]
    return Pair(primary, backup, canary, int(share) if share.isdigit() else 0, preview) if primary else None


def ask(port: int = PORT) -> tuple[str, dict[str, Pair]]:
    """The live table's digest ("" when there is none) and the slots of each service, over a fresh connection."""
    answer = probe.get(port, PATH, 1.0)
    if not answer.ok:
        return "", {}
    start = PREFIX.lower()
    told = {name[len(start) :]: pair_of(value) for name, value in answer.headers.items() if name.startswith(start)}
    return answer.body.strip(), {name: pair for name, pair in told.items() if pair}
