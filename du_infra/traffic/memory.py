"""What a pass leaves for the next one, and for the controller that takes over. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from du_infra.traffic.aim import Settings
from du_infra.traffic.capacity import Demand
from du_infra.traffic.failover import Mode
from du_infra.traffic.guard import Change
from du_infra.traffic.state import Endpoint, Record


@dataclass(frozen=True)
class Memory:
    """``base``: the weights by plan, whatever is up: the last good ones. ``record``: what was decided to be answered.

    ``out``: who is not given out although it has a weight. ``changed``: when the record last changed. ``changes`` are
    of the last hour. ``demand``: what came to all regions when that was last known. ``ramping``: the last step was not
    the last one of its way. Times by the clock of ``now``.
    """

    base: Mapping[str, int]
    record: Record
    changed: float
    out: frozenset[str] = frozenset()
    mode: Mode = "calm"
    changes: tuple[Change, ...] = ()
    demand: Demand | None = None
    ramping: bool = False

    def to_json(self) -> dict[str, Any]:
        """For the store."""
        return {**asdict(self), "out": sorted(self.out)}


def memory_from(told: Mapping[str, Any], shift: float = 0.0) -> Memory:
    """What ``Memory.to_json`` gave; its times ``shift`` seconds later, for a clock that has another beginning."""
    demand = told["demand"]
    return Memory(
        base=dict(told["base"]),
        record=record_from(told["record"]),
        changed=told["changed"] + shift,
        out=frozenset(told["out"]),
        mode=told["mode"],
        changes=tuple(Change(**{**one, "at": one["at"] + shift}) for one in told["changes"]),
        demand=Demand(**demand) if demand else None,
        ramping=told["ramping"],
    )


def record_from(told: Mapping[str, Any]) -> Record:
    """A record, of what ``dataclasses.asdict`` made of it."""
    return Record(told["name"], told["ttl"], {name: Endpoint(**one) for name, one in told["endpoints"].items()})


def adopted(record: Record, settings: Settings, now: float) -> Memory:
    """What can be known when nothing is remembered: DNS as it is counts as the plan."""
    base = settings.numbers({name: one.weight for name, one in record.endpoints.items()})
    record = replace(record, endpoints={name: replace(record.endpoints[name], weight=base[name]) for name in base})
    out = frozenset(name for name, one in record.endpoints.items() if one.weight and not one.up)
    return Memory(base, record, now, out, "fail-over" if out else "calm")
