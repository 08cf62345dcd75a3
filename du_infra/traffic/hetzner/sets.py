"""A record as two of Hetzner's RRsets, and back. Pure.

The RRset of the name has every region that may be answered, the one of ``_parked.<name>`` the others. What else is to
be known of a region stands in its record's comment: "fra weight 50 up". Where a change was cut off between the two, a
region may stand in both; the name itself is right then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from du_infra.errors import Refused
from du_infra.traffic.answers import answered, parked
from du_infra.traffic.state import Endpoint, Record

_COMMENT = re.compile(r"([a-z0-9-]+) weight (\d+) (up|down)")


@dataclass(frozen=True)
class RRset:
    """Addresses with their comments; ``ttl`` in seconds. There is none without an address."""

    ttl: int
    records: Mapping[str, str]


NOTHING = RRset(0, {})


def labels(name: str, zone: str) -> tuple[str, str]:
    """The two names as Hetzner writes them: within the zone, "@" for the zone itself."""
    if name == zone:
        return "@", "_parked"
    own = name.removesuffix(f".{zone}")
    return own, f"_parked.{own}"


def rrsets(record: Record) -> tuple[RRset, RRset]:
    """What stands under the name, and what is parked."""
    return _rrset(record.ttl, _comments(answered(record))), _rrset(record.ttl, _comments(parked(record)))


def record(name: str, own: RRset, parked: RRset) -> Record | None:
    """The record that the two make up; None when there is none. Raises Refused for records that are not ours."""
    found = [_endpoint(name, *one) for one in (*parked.records.items(), *own.records.items())]
    return Record(name, own.ttl, dict(found)) if own.records else None


def steps(wanted: Record, own: RRset, parked: RRset) -> Sequence[tuple[str, RRset]]:
    """What is set, in order, each as ("own" or "parked", the whole of it): no region is ever in neither."""
    own_new, parked_new = rrsets(wanted)
    meanwhile = _rrset(wanted.ttl, {**parked.records, **parked_new.records})
    order = (("parked", meanwhile, parked), ("own", own_new, own), ("parked", parked_new, meanwhile))
    return [(which, new) for which, new, before in order if new != before]


def _rrset(ttl: int, records: Mapping[str, str]) -> RRset:
    return RRset(ttl, records) if records else NOTHING


def _comments(endpoints: Mapping[str, Endpoint]) -> dict[str, str]:
    return {
        one.address: f"{region} weight {one.weight} {'up' if one.up else 'down'}" for region, one in endpoints.items()
    }


def _endpoint(name: str, address: str, comment: str) -> tuple[str, Endpoint]:
    said = _COMMENT.fullmatch(comment)
    if not said:
        raise Refused(
            f"there is an address of this name that du-infra did not set: {address}",
            where=name,
            todo="look at it in Hetzner's console, and remove it when nobody needs it",
        )
    return said[1], Endpoint(address, int(said[2]), said[3] == "up")
