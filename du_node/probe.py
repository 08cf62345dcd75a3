"""One small HTTP request over loopback: enough for readiness and for the gateway's proof, and light to import."""

from __future__ import annotations

import errno
import socket
import time

_LIMIT = 65536
_UNREACHABLE = (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN)


class Answer:
    """What came back: ``status`` (0 when nothing did), ``headers`` in lower case, ``body``, and ``why`` it failed.

    ``refused``: nobody takes connections there. ``heard``: somebody said something, if only that he refuses.
    """

    __slots__ = ("body", "headers", "heard", "refused", "status", "why")

    def __init__(self, status: int = 0, headers: dict[str, str] | None = None, body: str = "", why: str = "") -> None:
        self.status = status
        self.headers = headers or {}
        self.body = body
        self.why = why
        self.refused = False
        self.heard = status != 0

    @property
    def ok(self) -> bool:
        """Any 2xx."""
        return 200 <= self.status < 300


def get(port: int, path: str, timeout: float = 2.0, host: str = "127.0.0.1") -> Answer:
    """GET ``path`` from ``host``:``port`` on a connection of its own; never raises for network trouble."""
    deadline = time.monotonic() + timeout
    try:
        with socket.create_connection((host, port), timeout) as link:
            link.sendall(request(path))
            return parse(_read(link, deadline))
    except OSError as trouble:
        return failure(trouble, timeout)


def request(path: str) -> bytes:
    """The bytes that ask for ``path``."""
    return (f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: du-node\r\nConnection: close\r\n\r\n").encode(
        "ascii"
    )


def failure(trouble: OSError, timeout: float) -> Answer:
    """The answer that did not come, and why."""
    if isinstance(trouble, ConnectionRefusedError) or trouble.errno in _UNREACHABLE:
        answer = Answer(why="cannot be reached" if trouble.errno in _UNREACHABLE else "refuses connections")
        answer.refused = True
        answer.heard = trouble.errno not in _UNREACHABLE
        return answer
    if isinstance(trouble, TimeoutError):
        return Answer(why=f"does not answer within {timeout:g} s")
    return Answer(why=f"closes the connection ({trouble.strerror or trouble})")


def complete(got: bytes) -> bool:
    """Whether an answer is whole: some servers keep the connection open in spite of our "close"."""
    if len(got) >= _LIMIT:
        return True
    head, found, body = got.partition(b"\r\n\r\n")
    if not found:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = line[15:].strip()
            return not length.isdigit() or len(body) >= int(length)
    return False


def parse(got: bytes) -> Answer:
    """The bytes of an answer, taken apart."""
    head, _, body = got.decode("utf-8", "replace").partition("\r\n\r\n")
    first, *lines = head.split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
        return Answer(why="does not speak HTTP" if got else "closes the connection without an answer")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return Answer(int(words[1]), headers, body)


def _read(link: socket.socket, deadline: float) -> bytes:
    """An answer up to its end; a trickle does not outlive ``deadline``."""
    got = b""
    while not complete(got):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        link.settimeout(left)
        part = link.recv(_LIMIT)
        if not part:
            break
        got += part
    return got
