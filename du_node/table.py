"""The gateway's routing table: which slot answers for which service. Plain data, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from du_node.state import Container, Pair, Route


@dataclass(frozen=True)
class Upstream:
    """A slot that requests can go to: 127.0.0.1:``port``."""

    slot: str
    port: int
    release: str
    tag: str
    digest: str


@dataclass(frozen=True)
class Entry:
    """A service in the gateway: its route, the slot that serves it, and the one that steps in."""

    service: str
    route: Route
    primary: Upstream
    backup: Upstream | None = None
    start_timeout: int = 60

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot that may get a request."""
        return (self.primary.slot, self.backup.slot) if self.backup else (self.primary.slot,)


Table = tuple[Entry, ...]


def digest_of(table: Table) -> str:
    """16 hex digits that name a table. A gateway that answers with them works by it, whatever its kind."""
    text = json.dumps([asdict(item) for item in table], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pairs(table: Table) -> dict[str, Pair]:
    """Which slots each service is routed to."""
    return {e.service: Pair(e.primary.slot, e.backup.slot if e.backup else "") for e in table}


def upstream(container: Container) -> Upstream:
    """The slot of ``container`` as the gateway sees it."""
    return Upstream(container.slot, container.port, container.release, container.tag, container.digest)


def entry(primary: Container, backup: Container | None = None) -> Entry:
    """A service served by ``primary``, with its route."""
    spare = upstream(backup) if backup else None
    return Entry(primary.service, primary.route, upstream(primary), spare, primary.start_timeout)


def settle(entries: Iterable[Entry], preferred: Iterable[str]) -> Table:
    """Sort the entries, and where two claim the same host and path keep the one named first in ``preferred``.

    Two may claim the same place for a moment, while a path moves from one service to another.
    """
    rank = {name: n for n, name in enumerate(preferred)}
    kept: dict[tuple[str, str], Entry] = {}
    for item in sorted(entries, key=lambda e: (rank.get(e.service, len(rank)), e.service)):
        kept.setdefault(item.route.key, item)
    return tuple(sorted(kept.values(), key=lambda e: e.service))
