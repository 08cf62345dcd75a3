"""What is asked of the world's entrance, and by which rules it gets there: plain data, from fleet.yaml. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from du_infra.spec import TrafficSpec
from du_infra.traffic.shares import HUNDRED, alike, whole
from du_infra.traffic.state import Capabilities

SETTLE_SECONDS = 5.0
"""What a change takes at most until every server answers it (gdnsd looks every 2 s)."""
NO_LIMIT = 1e6
"""As ``max_shift``: more than can be moved within an hour."""


@dataclass(frozen=True)
class Aim:
    """One DNS name and where it is to lead. ``weights`` by region, of any sum; 0 makes a standby.

    ``addresses`` of the regions that have one; a region without is not up yet. ``drained`` were asked to get nothing,
    not even as a standby.
    """

    name: str
    ttl: int
    weights: Mapping[str, int]
    addresses: Mapping[str, str]
    drained: frozenset[str] = frozenset()

    def wanted(self) -> dict[str, int]:
        """The weight that each region is to have in the end; only of those that have an address."""
        return {
            name: 0 if name in self.drained else weight
            for name, weight in self.weights.items()
            if name in self.addresses
        }


@dataclass(frozen=True)
class Settings:
    """How quickly and how far shares may change. ``steps`` and ``max_shift`` as shares (0.05: 5 %), times in seconds.

    ``settle``: how long after a change answers of before may be in use. ``weighted``: the backend knows weights, else
    a region is in or out. The rest as in fleet.yaml (docs/fleet.md).
    """

    steps: tuple[float, ...] = (0.05, 0.25, 0.5, 1.0)
    soak: float = 300.0
    settle: float = 35.0
    min_requests: int = 100
    min_regions: int = 1
    max_shift: float = NO_LIMIT
    per_hour: int = 30
    freeze: bool = False
    weighted: bool = True
    capacity: Mapping[str, float] = field(default_factory=dict)

    def numbers(self, weights: Mapping[str, int]) -> dict[str, int]:
        """Weights of any sum as the backend takes them."""
        return whole(weights) if self.weighted else alike(weights)


def settings_of(spec: TrafficSpec, able: Capabilities | None = None) -> Settings:
    """The planner's settings, from fleet.yaml's and what the backend can do."""
    return Settings(
        steps=tuple(share / 100 for share in spec.canary),
        soak=spec.soak.seconds,
        settle=spec.ttl.seconds + SETTLE_SECONDS,
        min_requests=spec.min_requests,
        min_regions=spec.min_regions,
        max_shift=spec.max_shift.points / 100 if spec.max_shift.points < HUNDRED else NO_LIMIT,
        per_hour=spec.per_hour,
        freeze=spec.freeze,
        weighted=able is None or able.weights,
        capacity=spec.capacity,
    )


def aim_of(
    spec: TrafficSpec,
    regions: Mapping[str, str],
    weights: Mapping[str, int] | None = None,
    drained: frozenset[str] = frozenset(),
) -> Aim:
    """What fleet.yaml asks for. ``regions``: every region's own address, "" while it is not up.

    ``weights`` and ``drained`` are what a person, or a release by waves, asked for since; they go over the file's.
    """
    chosen = spec.weights if weights is None else weights
    asked = {name: 1 if chosen is None else chosen.get(name, 0) for name in regions}
    known = {name: spec.addresses.get(name, own) for name, own in regions.items()}
    return Aim(
        spec.name, spec.ttl_seconds, asked, {name: address for name, address in known.items() if address}, drained
    )
