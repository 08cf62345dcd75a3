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
