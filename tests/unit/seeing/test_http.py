"""The server bounds what clients may cost, whoever they are, and goes on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from du_infra.seeing.http import Limits, Request, Response, Server, parse, plain
from du_infra.seeing.listen import Address, bound, listening

QUICK = Limits(read=0.5, write=0.5, clients=8)


@contextmanager
def serving(body: bytes = b"hello", limits: Limits = QUICK) -> Iterator[Address]:
    made = listening(Address("127.0.0.1", 0), "")

    def answer(request: Request) -> Response:
        if request.path == "/broken":
            raise RuntimeError("secret words")
        return Response(200, body)

    server = Server(made, answer, limits)
    try:
        yield bound(made)
    finally:
        server.close()


def said(address: Address, raw: bytes) -> bytes:
    """What comes for these bytes, until the other side ends."""
    with socket.create_connection((address.host, address.port), timeout=30) as client:
        client.sendall(raw)
        found = []
        while data := client.recv(1 << 20):
            found.append(data)
    return b"".join(found)


GOOD = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_it_answers() -> None:
    with serving() as address:
        head, _, body = said(address, GOOD).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Content-Length: 5" in head
    assert body == b"hello"


def test_head_has_no_body_and_the_same_length() -> None:
    with serving() as address:
        found = said(address, GOOD.replace(b"GET", b"HEAD"))
    assert b"Content-Length: 5\r\n" in found
    assert found.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
        (b"GET\r\n\r\n", 400),
        (b"GET http://elsewhere/ HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET /broken HTTP/1.1\r\n\r\n", 500),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 3000 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", 408),
    ],
)
def test_nonsense_gets_its_status_and_the_next_one_an_answer(raw: bytes, status: int) -> None:
    with serving() as address:
        found = said(address, raw)
        assert found.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"secret words" not in found
        assert said(address, GOOD).endswith(b"hello")


def test_a_body_that_nobody_asked_for_does_not_cost_the_answer() -> None:
    with serving() as address:
        found = said(address, b"POST / HTTP/1.1\r\nContent-Length: 30000\r\n\r\n" + b"x" * 30000)
    assert found.startswith(b"HTTP/1.1 200")


def test_clients_that_say_nothing_do_not_keep_others_waiting() -> None:
    with serving(limits=Limits(read=60, clients=8)) as address:
        idle = [socket.create_connection((address.host, address.port), timeout=30) for _ in range(40)]
        began = time.monotonic()
        assert said(address, GOOD).endswith(b"hello")
        assert time.monotonic() - began < 20
        for one in idle:
            one.close()


def test_a_client_that_does_not_read_is_given_up_and_costs_little_memory() -> None:
    with serving(b"x" * (24 << 20)) as address:
        slow = socket.create_connection((address.host, address.port), timeout=30)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(GOOD)
        time.sleep(0.2)
        assert len(said(address, GOOD)) > 0
        time.sleep(QUICK.write + 1.5)
        with pytest.raises(ConnectionResetError):
            while slow.recv(1 << 20):
                pass
        slow.close()


def test_many_clients_at_once_are_all_answered() -> None:
    found: list[bytes] = []
    with serving(limits=Limits(clients=64)) as address:
        threads = [threading.Thread(target=lambda: found.append(said(address, GOOD))) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert len(found) == 40
    assert all(one.endswith(b"hello") for one in found)


def test_it_ends_though_clients_hang_on_and_its_port_is_free_again() -> None:
    with serving(limits=Limits(read=60)) as address:
        hanging = socket.create_connection((address.host, address.port), timeout=30)
        time.sleep(0.1)
    with pytest.raises(OSError):
        socket.create_connection((address.host, address.port), timeout=5)
    hanging.close()


def test_headers_that_are_given_twice_are_put_together() -> None:
    found = parse(b"GET /a?b=c HTTP/1.1\r\nX-A: 1\r\nx-a: 2\r\n\r\n")
    assert found == Request("GET", "/a", "b=c", {"x-a": "1, 2"})


def test_a_status_without_words_has_its_phrase() -> None:
    assert plain(404).body == b"Not Found\n"
