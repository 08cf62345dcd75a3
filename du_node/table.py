"""The gateway's routing table: which slot answers for which service. Plain data, no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from du_node.errors import NodeError
from du_node.safe import safe
from du_node.state import Container, Pair, Route


@dataclass(frozen=True)
class Upstream:
    """A slot that requests can go to: 127.0.0.1:``port``, or the other port where a cluster refuses those of the first
    for it believes that none of the slot's copies is ready."""

    slot: str
    port: int
    release: str
    tag: str
    digest: str
    unready_port: int = 0

    @property
    def unready(self) -> Upstream | None:
        """The slot by its other port."""
        return replace(self, port=self.unready_port, unready_port=0) if self.unready_port else None


@dataclass(frozen=True, order=True)
class Peer:
    """Another node of the region, whose gateway takes requests at ``address``:places.PEER_PORT."""

    name: str
    address: str


@dataclass(frozen=True)
class Entry:
    """A service in the gateway: its route, the slot that serves it, and the one that steps in.

    ``canary`` gets ``share`` percent of the requests (1 to 99); it and the primary back each other up. With ``sticky``
    a visitor stays on one side. ``preview`` is reached on the preview port alone, by the same host and path.

    ``peers`` get their even share of the requests, and split it on their side as they like. ``shared``: other nodes
    may ask for the service here, on the peer port, where this node's own slots answer and nobody else.
    """

    service: str
    route: Route
    primary: Upstream
    backup: Upstream | None = None
    canary: Upstream | None = None
    share: int = 0
    sticky: bool = False
    preview: Upstream | None = None
    start_timeout: int = 60
    shared: bool = False
    peers: tuple[Peer, ...] = ()

    def __post_init__(self) -> None:
        """Who sends requests to others is sent some by them."""
        if self.peers:
            object.__setattr__(self, "shared", True)

    @property
    def upstreams(self) -> tuple[Upstream, ...]:
        """Every slot that may get a request, with its port."""
        return tuple(side for side in (self.primary, self.backup, self.canary, self.preview) if side)

    @property
    def spare(self) -> Upstream | None:
        """What takes a request that the primary does not take: the other slot, or the same by its other port."""
        return self.canary or self.backup or self.primary.unready

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot that may get a request."""
        return tuple(side.slot for side in self.upstreams)

    @property
    def pair(self) -> Pair:
        """Which slots the service is routed to."""
        backup, canary, preview = (side.slot if side else "" for side in (self.backup, self.canary, self.preview))
        return Pair(self.primary.slot, backup, canary, self.share, preview)


Table = tuple[Entry, ...]


def digest_of(table: Table) -> str:
    """16 hex digits that name a table. A gateway that answers with them works by it, whatever its kind."""
    text = json.dumps([to_json(item) for item in table], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def to_json(item: Entry) -> dict[str, Any]:
    """The entry as plain values. What a node has not leaves no trace: its tables keep their digests."""
    fields = asdict(item)
    for name in ("shared", "peers"):
        if not fields[name]:
            del fields[name]
    for side in filter(None, (fields["primary"], fields["backup"], fields["canary"], fields["preview"])):
        if not side["unready_port"]:
            del side["unready_port"]
    return fields


def from_json(item: Mapping[str, Any]) -> Entry:
    """The entry that ``to_json`` made ``item`` from. Raises KeyError, TypeError where it did not."""
    fields = {**item, "peers": tuple(Peer(**peer) for peer in item.get("peers", ()))}
    for side in ("primary", "backup", "canary", "preview"):
        fields[side] = Upstream(**item[side]) if item.get(side) else None
    return Entry(**{**fields, "route": Route(**item["route"])})


def check(table: Table) -> None:
    """Refuse what must not reach a gateway's configuration. Raises NodeError bad-wanted."""
    for item in table:
        safe("service", item.service)
        safe("host", item.route.host)
        safe("path", item.route.path)
        if bool(item.canary) != (0 < item.share < 100):
            raise NodeError("bad-wanted", f"{item.share!r} cannot be the share of a canary")
        for peer in item.peers:
            safe("node", peer.name)
            safe("address", peer.address)
        for side in item.upstreams:
            safe("slot", side.slot)
            safe("release", side.release)
            for port in (side.port, *([side.unready_port] if side.unready_port else [])):
                if not 1 <= port <= 65535:
                    raise NodeError("bad-wanted", f"{port!r} cannot be a port")


def pairs(table: Table) -> dict[str, Pair]:
    """Which slots each service is routed to."""
    return {item.service: item.pair for item in table}


def upstream(container: Container) -> Upstream:
    """The slot of ``container`` as the gateway sees it."""
    return Upstream(
        container.slot, container.port, container.release, container.tag, container.digest, container.unready_port
    )


def with_peers(table: Table, peers: Mapping[str, tuple[Peer, ...]], *, shared: bool) -> Table:
    """The same routes, shared with ``peers`` (by service) and nobody else."""
    return tuple(replace(item, peers=peers.get(item.service, ()), shared=shared) for item in table)


def entry(primary: Container, pair: Pair, slots: Mapping[str, Container], *, sticky: bool = False) -> Entry:
    """A service routed as ``pair`` says, with the route of its ``primary``. Slots without a container are left out."""
    backup, canary, preview = (
        upstream(slots[slot]) if slot in slots else None for slot in (pair.backup, pair.canary, pair.preview)
    )
    share = pair.share if canary else 0
    return Entry(
        primary.service,
        primary.route,
        upstream(primary),
        backup=backup,
        canary=canary,
        share=share,
        sticky=sticky and canary is not None,
        preview=preview,
        start_timeout=primary.start_timeout,
    )


def settle(entries: Iterable[Entry], preferred: Iterable[str]) -> Table:
    """Sort the entries, and where two claim the same host and path keep the one named first in ``preferred``.

    Two may claim the same place for a moment, while a path moves from one service to another.
    """
    rank = {name: n for n, name in enumerate(preferred)}
    kept: dict[tuple[str, str], Entry] = {}
    for item in sorted(entries, key=lambda e: (rank.get(e.service, len(rank)), e.service)):
        kept.setdefault(item.route.key, item)
    return tuple(sorted(kept.values(), key=lambda e: e.service))
