"""What the loop saw last of a fleet, as it is shown: plain data.

``at`` and the like are of the monotonic clock, so that no clock that is set makes anything look fresh; what is told to
people as a moment is in seconds since the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from du_infra.autoscale.state import Metric, Sample
from du_infra.health.state import RegionStatus

NodeStanding: TypeAlias = Literal[
    "serving", "drained", "unready", "sick", "silent", "dead", "gone", "joining", "leaving"
]
NODE_STANDINGS: tuple[NodeStanding, ...] = (
    *("serving", "drained", "unready", "sick", "silent", "dead", "gone", "joining", "leaving"),
)
"""All of them, the good one first."""


@dataclass(frozen=True)
class NodeSeen:
    """One node: how it stands, in one word, and what is known besides.

    ``machine``: the provider's word. ``front``: it holds the region's address. Figures of the last minute; None where
    the node does not tell.
    """

    name: str
    address: str
    standing: NodeStanding
    machine: str = ""
    front: bool = False
    cpu_percent: float | None = None
    memory_percent: float | None = None
    disk_percent: float | None = None
    why: str = ""


@dataclass(frozen=True)
class HealingSeen:
    """What healing may still do: replacements that are ``going_on``, were begun in the ``last_hour``, may be begun."""

    enabled: bool = True
    going_on: int = 0
    last_hour: int = 0
    per_hour: int = 0

    @property
    def left(self) -> int:
        """How many more replacements this hour has room for."""
        return max(0, self.per_hour - self.last_hour)


@dataclass(frozen=True)
class AutoscaleSeen:
    """The autoscaler's last word: ``want`` nodes instead of ``nodes``, and why."""

    at: float
    nodes: int
    want: int
    why: str
    targets: Mapping[Metric, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseSeen:
    """One release of a service, going on or ended. ``state``: a rollout's, or "cut-off": nobody is at work on it."""

    id: int
    service: str
    kind: str
    release: str
    previous: str
    actor: str
    state: str
    why: str
    started: float
    ended: float | None = None

    @property
    def going_on(self) -> bool:
        """Whether it has not come to an end."""
        return self.ended is None and self.state in ("running", "held", "cut-off")

    @property
    def moment(self) -> float:
        """When something happened to it last that is known."""
        return self.started if self.ended is None else self.ended


@dataclass(frozen=True)
class LeaseSeen:
    """Who is at work on something, by the store: ``signed`` seconds ago the holder last said so."""

    name: str
    who: str
    what: str
    since: float
    signed: float


@dataclass(frozen=True)
class EventSeen:
    """Something that was written down in the store."""

    time: float
    actor: str
    kind: str
    text: str


@dataclass(frozen=True)
class RegionSeen:
    """One region at one look. ``up``: it was brought up at all; ``wanted`` nodes are asked for."""

    at: float
    status: RegionStatus
    wanted: int = 0
    nodes: tuple[NodeSeen, ...] = ()
    measured: Sample | None = None
    healing: HealingSeen = field(default_factory=HealingSeen)
    releases: tuple[ReleaseSeen, ...] = ()
    leases: tuple[LeaseSeen, ...] = ()
    events: tuple[EventSeen, ...] = ()

    @property
    def name(self) -> str:
        """The region's name."""
        return self.status.name

    @property
    def up(self) -> bool:
        """Whether there is anything to mind."""
        return bool(self.status.nodes)


@dataclass(frozen=True)
class Told:
    """A decision of the loop, and when it was told."""

    time: float
    region: str
    kind: str
    about: str
    node: str
    text: str


@dataclass(frozen=True)
class HookSeen:
    """What became of the notifications for one webhook; ``why``: what went wrong last."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    waiting: int = 0
    why: str = ""
