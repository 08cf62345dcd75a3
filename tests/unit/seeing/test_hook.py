"""The webhook of the fleet's repository, over a real connection."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from du_infra.seeing.board import Board
from du_infra.seeing.hook import LONGEST, PATH, Hook
from du_infra.seeing.http import Limits, Server
from du_infra.seeing.site import Site

TOKEN = "0123456789abcdef0123"
BODY = b'{"ref": "refs/heads/main"}'


class Hooked:
    """``pokes`` are counted."""

    def __init__(self, port: int) -> None:
        self.port, self.pokes = port, 0

    def ask(self, headers: Mapping[str, str], method: str = "POST", path: str = PATH, body: bytes = BODY) -> int:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        link.request(method, path, body=body or None, headers=headers)
        return link.getresponse().status


@contextmanager
def hooked(token: str = TOKEN) -> Iterator[Hooked]:
    made = socket.create_server(("127.0.0.1", 0))
    found = Hooked(made.getsockname()[1])

    def poke() -> None:
        found.pokes += 1

    site = Site(Board(interval=5.0, dry_run=False), token)
    server = Server(made, Hook(poke, token, site), Limits(body=LONGEST))
    try:
        yield found
    finally:
        server.close()


def signed(key: str, body: bytes = BODY) -> str:
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"X-Gitlab-Token": TOKEN},
        {"X-Hub-Signature-256": signed(TOKEN)},
    ],
)
def test_who_knows_the_token_has_it_looked_at(headers: dict[str, str]) -> None:
    with hooked() as site:
        assert site.ask(headers) == 202
        assert site.pokes == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer no"},
        {"X-Gitlab-Token": ""},
        {"X-Hub-Signature-256": signed("another")},
        {"X-Hub-Signature-256": signed(TOKEN, b"another body")},
        {"X-Hub-Signature-256": "sha256=\u00e9"},
    ],
)
def test_nobody_else_has(headers: dict[str, str]) -> None:
    with hooked() as site:
        assert site.ask(headers) == 401
        assert site.pokes == 0


def test_without_a_token_nobody_has() -> None:
    with hooked("") as site:
        assert site.ask({"Authorization": "Bearer "}) == 403
        assert site.pokes == 0


def test_a_body_that_is_too_long_or_of_no_known_length_is_refused() -> None:
    with hooked() as site:
        assert site.ask({"X-Gitlab-Token": TOKEN}, body=b"x" * (LONGEST + 1)) == 413
        assert site.ask({"X-Gitlab-Token": TOKEN}, body=b"x" * LONGEST) == 202
        with socket.create_connection(("127.0.0.1", site.port), timeout=5) as link:
            head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-Gitlab-Token: {TOKEN}\r\n"
            link.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
            assert link.recv(100).startswith(b"HTTP/1.1 411 ")
        assert site.pokes == 1


def test_no_body_is_a_body_too() -> None:
    with hooked() as site, socket.create_connection(("127.0.0.1", site.port), timeout=5) as link:
        link.sendall(f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nX-Gitlab-Token: {TOKEN}\r\n\r\n".encode())
        assert link.recv(100).startswith(b"HTTP/1.1 202 ")


def test_everything_else_is_as_without_it() -> None:
    with hooked() as site:
        known = {"Authorization": f"Bearer {TOKEN}"}
        assert site.ask(known, "GET", "/api/status", b"") == 200
        assert site.ask(known, "POST", "/") == 405
        assert site.ask(known, "GET", PATH, b"") == 404
        assert site.pokes == 0
