"""How much of what comes to all regions each of them can bear. Pure.

A region's room is what fleet.yaml says, or is measured by CPUs: what all requests keep busy now may keep at most 80 %
of its own CPUs busy. So it follows the number of its nodes, and needs no idea of what a request costs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from du_infra.health.state import NodeReport
from du_infra.traffic.shares import percent, share_of

BUSY_MOST = 0.8


@dataclass(frozen=True)
class Load:
    """What one region had to do in the last minute: requests a second, CPUs that were busy, of how many there are."""

    rps: float
    busy: float
    cpus: float


@dataclass(frozen=True)
class Demand:
    """What came to all regions together: requests a second, and CPUs that were busy with them."""

    rps: float
    busy: float


def load_of(reports: Iterable[NodeReport], cpus: int) -> Load | None:
    """A region's load by its nodes, of ``cpus`` each. Nodes that take no requests are none; None when nobody tells."""
    told = [one.load for one in reports if one.takes_requests and {"rps", "cpu_percent"} <= one.load.keys()]
    if not told:
        return None
    busy = sum(load["cpu_percent"] / 100 * cpus for load in told)
    return Load(sum(load["rps"] for load in told), busy, cpus * len(told))


def demand_of(
    loads: Mapping[str, Load], given_out: Iterable[str], before: Demand | None, *, calm: bool
) -> Demand | None:
    """What comes to all of them, None while nobody knows it.

    ``calm``: everybody who should be given out is. Otherwise what was known of calmer times counts as well, because
    what a dead region had to do is measured nowhere until it has come to the others.
    """
    names = list(given_out)
    if any(name not in loads for name in names) or not names:
        return before
    now = Demand(sum(loads[name].rps for name in names), sum(loads[name].busy for name in names))
    if calm or before is None:
        return now
    return Demand(max(now.rps, before.rps), max(now.busy, before.busy))


def rooms_of(loads: Mapping[str, Load], capacity: Mapping[str, float], demand: Demand | None) -> dict[str, float]:
    """The share of all that comes which each region can bear, 1.0 for all of it; only of those where it is known."""
    if demand is None:
        return {}
    each = BUSY_MOST / max(demand.busy, 1e-9)
    rooms = {name: each * load.cpus for name, load in loads.items()}
    rooms |= {name: bears / max(demand.rps, 1e-9) for name, bears in capacity.items()}
    return rooms


def crowded(shares: Mapping[str, float], rooms: Mapping[str, float]) -> list[str]:
    """In words: who gets more of what comes than there is room for."""
    return [
        f"{name} gets {percent(share)} of what comes, and has room for {percent(rooms[name])}"
        for name, share in shares.items()
        if share > rooms.get(name, 1.0) + 0.005
    ]


def losses(weights: Mapping[str, int], rooms: Mapping[str, float]) -> list[str]:
    """In words: which region's loss the others could not bear, before it is lost. ``weights`` by plan."""
    used = [name for name, weight in weights.items() if weight > 0]
    if len(used) < 2 or any(name not in rooms for name in used):
        return []
    shares, room = share_of(weights), sum(rooms[name] for name in used)
    return [
        f"without {name} the others could bear {percent(max(0.0, left))} of what comes"
        for name in used
        if (left := room - rooms[name]) < 1 and shares[name] > 0
    ]
