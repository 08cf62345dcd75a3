"""What no backend should be told: it is refused before anything is touched, with the reason."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from du_infra.errors import Busy, Refused
from du_infra.spec.traffic import address_words
from du_infra.traffic.answers import answered
from du_infra.traffic.state import Capabilities, Record

_LABEL = r"[a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+")
_REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_DAY = 86400


def fits(record: Record, can: Capabilities, *, name: str, backend: str, most: int) -> None:
    """Raises Refused when the record makes no sense, or when this backend would quietly do something else with it.

    ``name``: the one that the backend minds; ``most``: how many regions one answer can be chosen from.
    """
    for words in (*_nonsense(record), *_beyond(record, can, backend, most)):
        raise Refused(words, where=record.name)
    if record.name != name:
        raise Refused(f"this backend minds {name}", where=record.name)


def is_name(text: str) -> bool:
    """Whether it is a DNS name in lower case, without the last dot."""
    return len(text) <= 253 and _NAME.fullmatch(text) is not None


@lru_cache(maxsize=1 << 15)
def usable(address: str) -> bool:
    """Whether an answer may have it. Each pass asks it of all regions."""
    return not address_words(address)


def unchanged(found: Record | None, was: Record | None, name: str) -> None:
    """Raises Busy when what a backend has now is not what the change was made for."""
    if found != was:
        raise Busy(
            "somebody else changed the record meanwhile",
            where=name,
            todo="look again (`du-infra traffic status`), then run the same command again",
        )


def _nonsense(record: Record) -> Iterator[str]:
    if not is_name(record.name):
        yield "this is no DNS name in lower case"
    for region, one in record.endpoints.items():
        if not _REGION.fullmatch(region):
            yield f"{region!r} is no name of a region"
        if isinstance(one.weight, bool) or not 0 <= one.weight <= 100:
            yield f"the weight of {region} is {one.weight}; it must be 0 to 100"
        if not usable(one.address):
            yield f"the address of {region}, {one.address!r}, is no IP address as it is usually written"
    if not any(one.weight for one in record.endpoints.values()):
        yield "no region has a weight: the answer would be empty"
    for address, times in Counter(one.address for one in record.endpoints.values()).items():
        if times > 1:
            yield f"{times} regions have the address {address}"


def _beyond(record: Record, can: Capabilities, backend: str, most: int) -> Iterator[str]:
    if not can.min_ttl <= record.ttl <= _DAY:
        yield f"{backend} takes a TTL from {can.min_ttl} to {_DAY} seconds, not {record.ttl}"
    if len({":" in one.address for one in record.endpoints.values()}) > 1:
        yield "IPv4 and IPv6 in one record: whoever asks for one of them would get other weights than these"
    if len(answered(record)) > most:
        yield f"{backend} chooses among at most {most} regions; the record has {len(answered(record))}"
    if not can.weights and len({one.weight for one in record.endpoints.values() if one.weight}) > 1:
        yield (
            f"{backend} knows no weights, a region is in or out: a canary there would get a full share. "
            "Use gdnsd or Route 53 for this name (a zone of its own can be delegated to gdnsd)"
        )
