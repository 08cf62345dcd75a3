"""A record as Route 53's record sets, and back. Pure.

Each region is one weighted record set, called after the region (``SetIdentifier``; one that is down has "(down)" behind
it). Only regions that may be answered stand under the name itself; the others stand under ``_parked.<name>``. For Route
53 answers record sets of weight 0 too: all of them when none has a weight, and whenever its health checks find
nobody else.

Beside them, ``_parked.<name>`` has a TXT record with a number that every change raises: whoever changes the record
names the number that it saw, and of two at once Route 53 takes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from du_infra.errors import Refused
from du_infra.traffic.answers import answered
from du_infra.traffic.state import Endpoint, Record

RecordSet: TypeAlias = Mapping[str, Any]

_KINDS = ("A", "AAAA")
_COUNT_TTL = 60
_IDENTIFIER = re.compile(r"([a-z0-9-]+)( \(down\))?")


def names(name: str) -> tuple[str, str]:
    """Where a record's sets stand: its own name, and that of the parked ones."""
    return name, f"_parked.{name}"


def sets(record: Record, checks: Mapping[str, str]) -> list[dict[str, Any]]:
    """All of its record sets. ``checks``: the id of a region's health check, for the regions that have one."""
    given = answered(record)
    own, parked = names(record.name)
    return [
        _set(own if region in given else parked, region, one, record.ttl, checks if region in given else {})
        for region, one in sorted(record.endpoints.items())
    ]


def record(name: str, found: Iterable[RecordSet]) -> Record | None:
    """The record that these sets, which stand under its names, make up; None when there is none. Raises Refused for
    sets that are not ours.
    """
    regions = [one for one in found if one["Type"] in _KINDS]
    ttl = max((int(one["TTL"]) for one in regions), default=0)
    return Record(name, ttl, dict(_endpoint(name, one) for one in regions)) if regions else None


def changes(record: Record, checks: Mapping[str, str], found: Sequence[RecordSet]) -> list[dict[str, Any]]:
    """The batch that leads from what was found to the record; empty when nothing is to be done. Route 53 deletes a set
    only when its whole content is named, and refuses the batch as a whole otherwise.
    """
    wanted = sets(record, checks)
    before = [one for one in found if one["Type"] in _KINDS]
    gone = [one for one in before if one not in wanted]
    new = [one for one in wanted if one not in before]
    if not gone and not new:
        return []
    count = [one for one in found if one["Type"] == "TXT"]
    return [
        *({"Action": "DELETE", "ResourceRecordSet": dict(one)} for one in (*gone, *count)),
        *({"Action": "CREATE", "ResourceRecordSet": one} for one in (*new, _count(record.name, count))),
    ]


def ours(one: RecordSet, name: str) -> bool:
    """Whether a record set belongs to the record."""
    own, parked = names(name)
    stands = one["Name"].rstrip(".")
    return (one["Type"] in _KINDS and stands in (own, parked)) or (one["Type"] == "TXT" and stands == parked)


def _count(name: str, before: Sequence[RecordSet]) -> dict[str, Any]:
    values = [value["Value"].strip('"') for one in before for value in one.get("ResourceRecords", ())]
    count = max((int(value) for value in values if value.isdecimal()), default=0) + 1
    return {
        "Name": f"{names(name)[1]}.",
        "Type": "TXT",
        "TTL": _COUNT_TTL,
        "ResourceRecords": [{"Value": f'"{count}"'}],
    }


def _set(name: str, region: str, one: Endpoint, ttl: int, checks: Mapping[str, str]) -> dict[str, Any]:
    return {
        "Name": f"{name}.",
        "Type": "AAAA" if ":" in one.address else "A",
        "SetIdentifier": region if one.up else f"{region} (down)",
        "Weight": one.weight,
        "TTL": ttl,
        "ResourceRecords": [{"Value": one.address}],
        **({"HealthCheckId": checks[region]} if region in checks else {}),
    }


def _endpoint(name: str, one: RecordSet) -> tuple[str, Endpoint]:
    identifier = _IDENTIFIER.fullmatch(one.get("SetIdentifier", ""))
    values = one.get("ResourceRecords", ())
    if not identifier or "Weight" not in one or len(values) != 1:
        raise Refused(
            "there is a record set of this name that du-infra did not make",
            where=name,
            todo="look at it in Route 53, and remove it when nobody needs it",
        )
    return identifier[1], Endpoint(values[0]["Value"], int(one["Weight"]), not identifier[2])
