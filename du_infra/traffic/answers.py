"""What may be answered for a record, and with what share. Pure; every backend and ``ask`` go by it."""

from __future__ import annotations

from du_infra.traffic.state import Endpoint, Record


def answered(record: Record) -> dict[str, Endpoint]:
    """The regions that answers have. Where nobody is up, those that have a weight: an empty answer helps nobody, and
    health that sees everything down is more often wrong than right.
    """
    given = {name: record.endpoints[name] for name in record.live()}
    return given or {name: one for name, one in record.endpoints.items() if one.weight > 0}


def parked(record: Record) -> dict[str, Endpoint]:
    """The others: known, and given to nobody."""
    given = answered(record)
    return {name: one for name, one in record.endpoints.items() if name not in given}


def shares(record: Record) -> dict[str, float]:
    """Each answered region's share of the answers; they add up to 1 unless the record has no weight at all."""
    given = answered(record)
    total = sum(one.weight for one in given.values())
    return {name: one.weight / total for name, one in sorted(given.items())}


def moved(before: Record, after: Record) -> float:
    """The share of all answers that goes elsewhere, 0 to 1; 0 only when answers are just the same."""
    old, new = _weights_of(before), _weights_of(after)
    if old == new:
        return 0.0
    old_total, new_total = sum(old.values()) or 1, sum(new.values()) or 1
    return sum(abs(new.get(name, 0) / new_total - old.get(name, 0) / old_total) for name in old | new) / 2 or 1e-9


def told_otherwise(before: Record, after: Record) -> bool:
    """Whether those who get an answer get another address or TTL: two who want different ones would go on for ever."""
    if not before.endpoints or before is after:
        return False
    return before.ttl != after.ttl or any(
        name in after.endpoints and after.endpoints[name].address != before.endpoints[name].address
        for name in before.live()
    )


def _weights_of(record: Record) -> dict[str, int]:
    """Whom answers have, and how often; all else of a record changes nothing for anybody."""
    return {name: one.weight for name, one in record.endpoints.items() if one.up and one.weight}
