"""A tiny event loop: requests that are asked and answered without one waiting for the other.

asyncio, http.server and selectors do far more and take several megabytes; this is all that ``serve`` needs.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable

from du_node import probe

_CLIENT_TIME = 2.0


class Task:
    """Something with a socket and a deadline. ``advance`` returns True when it is over."""

    def __init__(self, link: socket.socket, events: int, seconds: float) -> None:
        self.link = link
        self.events = events
        self.deadline = time.monotonic() + seconds

    def advance(self) -> bool:
        """The socket is ready for what ``events`` said."""
        raise NotImplementedError

    def expire(self) -> None:
        """The deadline has passed."""


class Loop:
    """Runs tasks until a point in time."""

    def __init__(self) -> None:
        self._tasks: dict[int, Task] = {}

    def add(self, task: Task) -> None:
        """Have it looked after until it is over."""
        self._tasks[task.link.fileno()] = task

    def run_until(self, when: float, enough: Callable[[], bool] = lambda: False) -> None:
        """Advance tasks until ``when`` (monotonic), or until it is ``enough``."""
        while (left := when - time.monotonic()) > 0 and not enough():
            self._step(min([left, *(t.deadline - time.monotonic() for t in self._tasks.values())]))

    def _step(self, seconds: float) -> None:
        poller = select.poll()
        for number, task in self._tasks.items():
            poller.register(number, task.events)
        for number, _ in poller.poll(max(0.0, seconds) * 1000 + 1):
            if self._tasks[number].advance():
                self._tasks.pop(number).link.close()
        now = time.monotonic()
        for number in [n for n, task in self._tasks.items() if task.deadline < now]:
            late = self._tasks.pop(number)
            late.link.close()
            late.expire()


class Listener(Task):
    """Answers every request on a unix socket with what ``answer`` returns: (status, body)."""

    def __init__(self, path: str, loop: Loop, answer: Callable[[], tuple[int, str]]) -> None:
        if os.path.exists(path):  # noqa: PTH110 - pathlib stays out of this process
            os.unlink(path)  # noqa: PTH108
        link = socket.socket(socket.AF_UNIX)
        link.bind(path)
        os.chmod(path, 0o666)  # noqa: PTH101, S103 - the gateway has another user; it only tells what /readyz tells
        link.listen(64)
        link.setblocking(False)
        super().__init__(link, select.POLLIN, float("inf"))
        self._loop = loop
        self._answer = answer

    def advance(self) -> bool:
        """Take one connection."""
        try:
            link, _ = self.link.accept()
        except OSError:
            return False
        link.setblocking(False)
        self._loop.add(_Client(link, self._answer))
        return False


class _Client(Task):
    def __init__(self, link: socket.socket, answer: Callable[[], tuple[int, str]]) -> None:
        super().__init__(link, select.POLLIN, _CLIENT_TIME)
        self._answer = answer
        self._got = b""

    def advance(self) -> bool:
        try:
            part = self.link.recv(8192)
            self._got += part
            if not part or len(self._got) > 32768:
                return True
            if b"\r\n\r\n" not in self._got:
                return False
            self.link.sendall(response(*self._answer()))
        except OSError:
            return True  # the client went away, or reads too slowly for a small answer
        return True


class Asking(Task):
    """A GET to ``address``:``port``; ``done`` is called with the answer, ``seconds`` from now at the latest.

    It is called after ``connect`` seconds already where there is no connection by then.
    """

    def __init__(
        self,
        port: int,
        path: str,
        seconds: float,
        done: Callable[[probe.Answer], None],
        address: str = "127.0.0.1",
        connect: float = 0.0,
    ) -> None:
        link = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        link.setblocking(False)
        super().__init__(link, select.POLLOUT, connect or seconds)
        self._until = time.monotonic() + seconds
        self._request = probe.request(path)
        self._seconds = seconds
        self._done = done
        self._got = b""
        link.connect_ex((address, port))

    def advance(self) -> bool:
        try:
            return self._send() if self.events == select.POLLOUT else self._receive()
        except OSError as trouble:
            self._done(probe.failure(trouble, self._seconds))
            return True

    def expire(self) -> None:
        self._done(probe.failure(TimeoutError(), self._seconds))

    def _send(self) -> bool:
        code = self.link.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, os.strerror(code))
        self.link.send(self._request)
        self.events, self.deadline = select.POLLIN, self._until
        return False

    def _receive(self) -> bool:
        part = self.link.recv(65536)
        self._got += part
        if part and not probe.complete(self._got):
            return False
        self._done(probe.parse(self._got))
        return True


def response(status: int, body: str) -> bytes:
    """An HTTP/1.1 answer with a JSON body."""
    word = "OK" if status == 200 else "Service Unavailable"
    head = (
        f"HTTP/1.1 {status} {word}\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n"
        f"Content-Length: {len(body.encode())}\r\nConnection: close\r\n\r\n"
    )
    return (head + body).encode()
