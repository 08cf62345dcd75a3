"""Which addresses can stand in one record, and what became of regions that have another name now. Pure.

A backend takes a record as a whole or not at all. So one address that cannot be would hold up every change, a dead
region's too: it is left out here, and said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from du_infra.traffic.aim import Aim, Settings
from du_infra.traffic.check import usable
from du_infra.traffic.memory import Memory
from du_infra.traffic.state import Endpoint, Record

_NOTHING: Mapping[str, Endpoint] = {}


def sound(aim: Aim, before: Record | None) -> tuple[Aim, tuple[str, ...]]:
    """The aim with addresses that fit together only, and in words which did not. ``before``: what was decided last.

    Of two regions with one address it is his who had it before; of two families the one of most regions counts. Whoever
    has another address that cannot be stays where he is.
    """
    if _fits(aim.addresses):
        return aim, ()
    known = before.endpoints if before else _NOTHING
    taken: dict[str, str] = {}
    words = []
    six = _six(aim.addresses)
    for name in sorted(aim.addresses, key=lambda name: (_at(known, name) != aim.addresses[name], name)):
        address, old = aim.addresses[name], _at(known, name)
        if not (reason := _refusal(address, taken, six)):
            taken[address] = name
        elif old and not _refusal(old, taken, six):
            taken[old] = name
            words.append(f"{name} stays at {old}: {reason}")
        else:
            words.append(f"{name} is left out: {reason}")
    return replace(aim, addresses={name: address for address, name in taken.items()}), tuple(words)


def followed(memory: Memory, aim: Aim, settings: Settings) -> Memory:
    """The memory with regions that are behind the name no more as what they are now.

    Where another one has the address it is the same region, called otherwise: it has the weight of both. One whose
    address cannot be any more is forgotten.
    """
    ends = memory.record.endpoints
    gone = [name for name in {**memory.base, **ends} if name not in aim.addresses]
    if not gone:
        return memory
    holders = {address: name for name, address in aim.addresses.items()}
    six = _six(aim.addresses)
    heirs = {name: holders.get(ends[name].address, "") for name in gone if name in ends}
    heirs = {name: heir for name, heir in heirs.items() if heir or _refusal(ends[name].address, {}, six)}
    return _merged(memory, heirs, settings) if heirs else memory


def _merged(memory: Memory, heirs: Mapping[str, str], settings: Settings) -> Memory:
    base, ends = dict(memory.base), dict(memory.record.endpoints)
    for name, heir in heirs.items():
        weight, old = base.pop(name, 0), ends.pop(name)
        if heir:
            base[heir] = base.get(heir, 0) + weight
            other = ends.get(heir)
            ends[heir] = replace(old, weight=min(100, old.weight + (other.weight if other else 0)))
    out = frozenset(one for name in memory.out if (one := heirs.get(name, name)))
    return replace(memory, base=settings.numbers(base), record=replace(memory.record, endpoints=ends), out=out)


def _fits(addresses: Mapping[str, str]) -> bool:
    values = addresses.values()
    return (
        all(map(usable, values))
        and len(set(values)) == len(addresses)
        and len({":" in address for address in values}) <= 1
    )


def _six(addresses: Mapping[str, str]) -> bool:
    """Whether most of what can be is IPv6."""
    found = Counter(":" in address for address in addresses.values() if usable(address))
    return found[True] > found[False]


def _refusal(address: str, taken: Mapping[str, str], six: bool) -> str:
    if not usable(address):
        return f"{address!r} is no address that answers may have"
    if address in taken:
        return f"{address} is the address of {taken[address]}"
    if (":" in address) != six:
        return f"{address} is IPv{4 if six else 6}, and the other regions have IPv{6 if six else 4}"
    return ""


def _at(known: Mapping[str, Endpoint], name: str) -> str:
    return known[name].address if name in known else ""
