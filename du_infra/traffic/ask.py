"""Asks authoritative servers what they answer, and says what is wrong with it. The asking; ``verdict`` judges."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Sequence
from typing import Any

from du_infra.parallel import each
from du_infra.traffic.state import Capabilities, Record
from du_infra.traffic.verdict import Heard, Verdict, judge
from du_infra.traffic.where import split

TIMES = 50
"""How often each server is asked: a region with a tenth of the weight shows itself with 99.5 %."""

_SECONDS = 1.0
_TRIES = 2


def verify(
    record: Record, servers: Sequence[str], can: Capabilities, *, zone: str, times: int = TIMES
) -> list[Verdict]:
    """Ask every server ``times`` times for the record, and once for the serial of its ``zone``; one verdict each."""
    heard = each(lambda server: hear(server, record, zone, times), servers)
    return judge(record, heard, weighted=can.weights)


def hear(server: str, record: Record, zone: str, times: int) -> Heard:
    """What one server says; never raises for what it says, or for its silence."""
    addresses: Counter[str] = Counter()
    ttls: set[int] = set()
    answers, trouble = 0, ""
    while answers < times and not trouble:
        try:
            found = _addresses(_query(server, record.name, record.kind))
        except _Trouble as said:
            trouble = str(said)
        else:
            addresses.update(found.keys())
            ttls.update(found.values())
            answers += 1
    return Heard(server, addresses, ttls, answers, serial(server, zone), trouble)


def serial(server: str, zone: str, seconds: float = _SECONDS) -> int | None:
    """The serial of the zone as the server has it; None when it does not say."""
    try:
        return next(int(one.serial) for one in _query(server, zone, "SOA", seconds))
    except _Trouble:
        return None


class _Trouble(Exception):
    """What a server gave instead of an answer."""


def _addresses(rrset: Any) -> dict[str, int]:
    """Each address of an answer with its TTL."""
    return {one.address: int(rrset.ttl) for one in rrset}


def _query(server: str, name: str, kind: str, seconds: float = _SECONDS) -> Any:
    """The RRset that answers the question, which has at least one record."""
    import dns.flags
    import dns.message
    import dns.rcode

    question = dns.message.make_query(name, kind, flags=0)
    answer = _exchange(server, question, seconds)
    if answer.rcode() != dns.rcode.NOERROR:
        raise _Trouble(f"answers {dns.rcode.to_text(answer.rcode())}")
    if not answer.flags & dns.flags.AA:
        raise _Trouble("is not authoritative for this name")
    wanted = question.question[0]
    rrset = next((one for one in answer.answer if (one.name, one.rdtype) == (wanted.name, wanted.rdtype)), None)
    if not rrset:
        raise _Trouble("gives an empty answer")
    return rrset


def _exchange(server: str, question: Any, seconds: float) -> Any:
    """Ask once more when a packet was lost."""
    import dns.exception
    import dns.query

    for _ in range(_TRIES):
        try:
            address, port = _where(server)
            return dns.query.udp_with_fallback(question, address, port=port, timeout=seconds)[0]
        except (dns.exception.DNSException, OSError, EOFError):
            continue
    raise _Trouble("does not answer")


def _where(server: str) -> tuple[str, int]:
    """Address and port; a name is looked up, since providers name their servers."""
    host, port = split(server)
    return str(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4][0]), port
