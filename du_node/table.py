"""The gateway's routing table: which slot answers for which service. Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from du_node.state import Container, Route


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
