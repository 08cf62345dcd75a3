"""What is wrong with what servers answer. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from math import exp, lgamma, log

from du_infra.traffic.answers import answered, shares
from du_infra.traffic.state import Record

_BY_CHANCE = 1e-6
"""A share that is further from its weight than chance allows this often is wrong."""


@dataclass(frozen=True)
class Heard:
    """What one server said: how often each address stood in an answer, TTLs, the zone's serial if it told one.

    ``answers``: how many there were. ``trouble``: what was no answer at all.
    """

    server: str
    addresses: Mapping[str, int]
    ttls: Set[int]
    answers: int
    serial: int | None = None
    trouble: str = ""


@dataclass(frozen=True)
class Verdict:
    """Of one server: whether it answers what the record says, and everything that is wrong otherwise."""

    server: str
    ok: bool
    words: tuple[str, ...] = ()


def judge(record: Record, heard: Sequence[Heard], *, weighted: bool) -> list[Verdict]:
    """One verdict a server, in the same order. ``weighted``: whether shares follow the weights."""
    newest = max((one.serial for one in heard if one.serial is not None), default=None)
    return [_verdict(one, tuple(_complaints(record, one, newest, weighted))) for one in heard]


def _verdict(one: Heard, words: tuple[str, ...]) -> Verdict:
    return Verdict(one.server, not words, words)


def _complaints(record: Record, one: Heard, newest: int | None, weighted: bool) -> Iterator[str]:
    if one.trouble:
        yield one.trouble if not one.answers else f"{one.trouble}, after {one.answers} answers"
        return
    if one.serial is not None and newest is not None and one.serial < newest:
        yield f"is behind: it has serial {one.serial}, another server {newest}"
    yield from _strangers(record, one)
    if wrong := sorted(ttl for ttl in one.ttls if ttl != record.ttl):
        yield f"gives a TTL of {', '.join(map(str, wrong))} s, not {record.ttl}"
    if weighted:
        yield from _shares(record, one)
    else:
        yield from _missing(record, one)


def _strangers(record: Record, one: Heard) -> Iterator[str]:
    names = {endpoint.address: name for name, endpoint in record.endpoints.items()}
    right = {endpoint.address for endpoint in answered(record).values()}
    for address in sorted(set(one.addresses) - right):
        if address not in names:
            yield f"gives out {address}, which is no region of this name"
        elif record.endpoints[names[address]].weight:
            yield f"gives out {names[address]} ({address}), which is down"
        else:
            yield f"gives out {names[address]} ({address}), which is drained"


def _shares(record: Record, one: Heard) -> Iterator[str]:
    for name, share in shares(record).items():
        seen = one.addresses.get(record.endpoints[name].address, 0)
        if _chance(seen, one.answers, share) < _BY_CHANCE:
            yield f"gives out {name} in {seen} of {one.answers} answers; its share is {share:.0%}"


def _chance(seen: int, answers: int, share: float) -> float:
    """How likely so many answers, or a count further off, would be: the tail of the binomial distribution."""
    if share >= 1:
        return float(seen == answers)
    far = range(seen, answers + 1) if seen > answers * share else range(seen + 1)
    return sum(exp(_log_binomial(k, answers, share)) for k in far)


def _log_binomial(k: int, n: int, p: float) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p)


def _missing(record: Record, one: Heard) -> Iterator[str]:
    for name, endpoint in sorted(answered(record).items()):
        if endpoint.address not in one.addresses:
            yield f"never gives out {name}"
