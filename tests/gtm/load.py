"""Many clients that find a fleet by its DNS name: each has a cache of its own, and keeps an answer for its TTL."""

from __future__ import annotations

import heapq
import http.client
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

_DNS_SECONDS, _ANSWER_SECONDS = 1.0, 2.0
_WORKERS = 24


@dataclass(frozen=True)
class Answer:
    """What a server answered at ``at`` (monotonic): addresses, none of them where ``wrong`` says why."""

    at: float
    server: str
    addresses: tuple[str, ...]
    ttl: float = 0.0
    wrong: str = ""
    silent: bool = False


@dataclass(frozen=True)
class Request:
    """One request that ended at ``at``; its answer was resolved at ``resolved``."""

    at: float
    address: str
    ok: bool
    resolved: float


@dataclass
class _Client:
    address: str = ""
    until: float = 0.0
    resolved: float = 0.0


@dataclass
class Load:
    """``clients`` of them, each of which asks once in ``pause`` seconds, as far as this machine is quick enough."""

    name: str
    servers: Sequence[str]
    clients: int = 150
    pause: float = 2.0
    answers: list[Answer] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        now, self._turn, self._lock = time.monotonic(), count(), threading.Lock()
        spread = (now + self.pause * number / self.clients for number in range(self.clients))
        self._due = [(at, next(self._turn), _Client()) for at in spread]
        self._over = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Load]:
        """Ask while the block lasts."""
        threads = [threading.Thread(target=self._work, daemon=True) for _ in range(_WORKERS)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def given(self, address: str, since: float = 0.0, until: float = float("inf")) -> list[float]:
        """When servers gave this address out."""
        return [one.at for one in list(self.answers) if address in one.addresses and since <= one.at < until]

    def failed(self, address: str, since: float, until: float = float("inf")) -> list[float]:
        """When requests to this address failed."""
        there = [one for one in list(self.requests) if one.address == address and since <= one.at < until]
        return [one.at for one in there if not one.ok]

    @property
    def wrong(self) -> list[Answer]:
        """Answers without an address, or with more than one; a server that is silent gives none."""
        return [one for one in list(self.answers) if not one.silent and (one.wrong or len(one.addresses) != 1)]

    def _work(self) -> None:
        while not self._over.is_set():
            with self._lock:
                at, _, client = self._due[0] if self._due else (time.monotonic() + 0.05, 0, None)
                if client is not None and at <= time.monotonic():
                    heapq.heappop(self._due)
                else:
                    client = None
            if client is None:
                self._over.wait(0.02)
                continue
            began = time.monotonic()
            self._ask(client)
            with self._lock:
                heapq.heappush(self._due, (began + self.pause, next(self._turn), client))

    def _ask(self, client: _Client) -> None:
        if time.monotonic() >= client.until:
            answer = self._resolve()
            if answer is None:
                return
            client.address, client.resolved = answer.addresses[0], answer.at
            client.until = answer.at + answer.ttl
        ok = get(client.address, self.name)
        self.requests.append(Request(time.monotonic(), client.address, ok, client.resolved))

    def _resolve(self) -> Answer | None:
        """As a stub does: one server, and the next one where that is silent."""
        first = next(self._turn) % len(self.servers)
        for server in (*self.servers[first:], *self.servers[:first]):
            answer = ask(self.name, server)
            self.answers.append(answer)
            if not answer.silent:
                return answer if answer.addresses else None
        return None


def ask(name: str, server: str) -> Answer:
    """One question to one server, "address" or "address:port"."""
    host, _, port = server.partition(":")
    question = dns.message.make_query(name, "A")
    try:
        told = dns.query.udp(question, host, port=int(port or 53), timeout=_DNS_SECONDS)
    except (dns.exception.Timeout, OSError) as error:
        return Answer(time.monotonic(), server, (), wrong=f"no answer: {error!r}", silent=True)
    rows = [rrset for rrset in told.answer if rrset.rdtype == dns.rdatatype.A]
    found = tuple(str(row.address) for rrset in rows for row in rrset)
    wrong = "" if found else f"an empty answer ({dns.rcode.to_text(told.rcode())})"
    return Answer(time.monotonic(), server, found, float(min((rrset.ttl for rrset in rows), default=0)), wrong)


def get(address: str, host: str) -> bool:
    """Whether a request to this address is answered with 200."""
    link = http.client.HTTPConnection(address, timeout=_ANSWER_SECONDS)
    try:
        link.request("GET", "/", headers={"Host": host, "Connection": "close"})
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
    return answer.status == http.client.OK
