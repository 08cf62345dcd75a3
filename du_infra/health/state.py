"""What nodes and gateways say of themselves, and what a region's state is: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

UpOrDown: TypeAlias = Literal["up", "down"]


@dataclass(frozen=True)
class NodeReport:
    """What du-node answered on one node, or why nothing came.

    ``config`` is the hash of what the node runs, ``configured`` the hash of what Ansible put there, ``drift``
    the managed files that changed since. ``installed`` is false where du-node is not there yet, or (``broken``) is
    there and does not tell how the node is. ``busy`` is the
    du-node at work there ({} for none), ``result`` how the last apply ended, ``peers`` the other nodes as this one sees
    them, ``load`` what it had to do in the last minute (docs/du-node.md has the fields of all). ``runtime``: ""
    where an earlier du-node does not tell it. ``draining``: it was asked to take no new requests. ``front``: it holds
    the region's address.
    """

    name: str
    address: str
    reachable: bool = True
    installed: bool = True
    broken: bool = False
    ready: bool = False
    config: str = ""
    configured: str = ""
    drift: tuple[str, ...] = ()
    gateway: Mapping[str, Any] = field(default_factory=dict)
    runtime: str = ""
    services: tuple[Mapping[str, Any], ...] = ()
    busy: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, int] = field(default_factory=dict)
    disk: Mapping[str, int] = field(default_factory=dict)
    draining: bool = False
    front: bool = False
    peers: tuple[Mapping[str, Any], ...] = ()
    load: Mapping[str, float] = field(default_factory=dict)
    why: str = ""

    @property
    def answers(self) -> bool:
        """Whether du-node itself has answered."""
        return self.reachable and self.installed

    @property
    def takes_requests(self) -> bool:
        """Whether requests should come here: it is ready, and was not asked to take none."""
        return self.answers and self.ready and not self.draining

    def copies_of(self, service: str) -> Mapping[str, Any]:
        """How a service's copies are in the cluster, as this node sees them (docs/du-node.md); {} where it has none."""
        row: Mapping[str, Any] = next((row for row in self.services if row.get("name") == service), {})
        copies: Mapping[str, Any] = row.get("copies") or {}
        return copies


@dataclass(frozen=True)
class Crowd:
    """Who has no copy of a service (``bare``) although others have several (``full``); nobody by default.

    ``alone``: one node has them all, so that its loss takes them all.
    """

    bare: tuple[str, ...] = ()
    full: tuple[str, ...] = ()
    alone: bool = False

    def __str__(self) -> str:
        if not self.bare:
            return ""
        verb = "has" if len(self.bare) == 1 else "have"
        return f"{' and '.join(self.bare)} {verb} no copy, and {' and '.join(self.full)} more than one"


@dataclass(frozen=True)
class VipReport:
    """What the region's VIP answered to GET /readyz; ``status`` 0 when nothing came."""

    status: int = 0
    ready: bool = False
    config: str = ""
    why: str = ""


@dataclass(frozen=True)
class NodeStatus:
    """One node in a region's status. Memory in MB (of the node's whole use), disk in percent.

    ``state`` is what the store says: "", or that it is "leaving", "replaced" or "returning" (pool.state). ``draining``:
    it was asked to take no new requests. ``front``: it holds the region's address. ``load``: what it had to do in the
    last minute (docs/du-node.md).
    """

    name: str
    address: str
    ready: bool
    memory_used_mb: int | None
    memory_total_mb: int | None
    disk_used_percent: int | None
    why: str = ""
    state: str = ""
    draining: bool = False
    front: bool = False
    load: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ServiceStatus:
    """One service in a region's status; ``slot`` and ``release`` say "mixed" when nodes differ.

    ``over`` says, in words, that another release runs than fleet.yaml says; ``under_way`` that one is going live, is
    held, or was cut off. ``lingering`` counts connections that are still open to an old copy. ``copies`` are to run in
    a cluster, and ``copies_ready`` of them are ready; None where each node has its own. ``crowded``: in words, who has
    none of them although others have several (:class:`Crowd`).
    """

    name: str
    url: str
    slot: str
    release: str
    tag: str
    digest: str
    ready: bool
    why: str = ""
    over: str = ""
    under_way: str = ""
    lingering: int = 0
    copies: int | None = None
    copies_ready: int | None = None
    crowded: str = ""


@dataclass(frozen=True)
class RegionStatus:
    """A region as it is now. ``ready``: the VIP answers, every node that is to stay and every service is ready.

    ``survives`` says in words which losses cost no outage, ``over`` that there are to be more or fewer nodes than
    fleet.yaml says.
    """

    name: str
    provider: str
    runtime: str
    gateway: str
    ready: bool
    vip: str
    nodes: tuple[NodeStatus, ...] = ()
    services: tuple[ServiceStatus, ...] = ()
    survives: str = ""
    why: tuple[str, ...] = ()
    over: str = ""

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``region status --output json`` (docs/cli.md)."""
        return asdict(self)


@dataclass(frozen=True)
class Standing:
    """How a region stands since ``since``. ``leaning``: since when a majority has said otherwise without a break.

    ``known``: in the last look there was a majority. ``falls``: when it went down, within an hour. ``why`` in words.
    Times are by the clock of ``now``.
    """

    state: UpOrDown
    since: float
    leaning: float | None = None
    known: bool = False
    falls: tuple[float, ...] = ()
    why: str = ""

    @property
    def up(self) -> bool:
        """Whether it is up, or was when last known."""
        return self.state == "up"

    @property
    def surely_up(self) -> bool:
        """Whether it is up and nobody can say that this is old news, or about to change."""
        return self.up and self.known and self.leaning is None

    def to_json(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)


def standing_from(told: Mapping[str, Any]) -> Standing:
    """What ``Standing.to_json`` gave."""
    return Standing(**{**told, "falls": tuple(told["falls"])})
