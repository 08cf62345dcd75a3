"""The kinds of short requests over HTTP/1.1: on kept and on fresh connections, GET and POST, quick and slow bodies."""

from __future__ import annotations

import asyncio
from collections import deque

from bench.load.http1 import Answer, Connection, Lost, request
from bench.load.target import Target

BODY = b"x" * 200
_PIECES = 10


class Kept:
    """Requests on kept connections, each used in its turn: one is idle for ``connections`` requests before its next.

    A connection that was closed is opened anew when its turn comes. So none waits longer than the others, however many
    are closed at once: by a reload, for instance, which tells every one of them to go.
    """

    def __init__(self, target: Target, method: str, connections: int = 10) -> None:
        self._target = target
        self._data = request(target, method, "/", BODY if method == "POST" else None)
        self._want = len(BODY) if method == "POST" else None
        self._connections = connections
        self._turns: deque[Connection | None] = deque([None] * connections)

    async def __call__(self) -> Answer:
        """One request. Raises OSError or Lost."""
        link: Connection | None = None
        keep = False
        try:
            link = self._next() or await Connection.open(self._target)
            answer = check(await link.ask(self._data), self._want)
            keep = answer.keep
            return answer
        finally:
            self._put_back(link, keep)

    def close(self) -> None:
        """Close the idle connections."""
        for link in self._turns:
            if link:
                link.close()
        self._turns.clear()

    def _next(self) -> Connection | None:
        """The connection whose turn it is; None when it has to be opened. One that is known to be closed is not used,
        as everywhere; while all are in use, one more is."""
        link = self._turns.popleft() if self._turns else None
        if link and not link.usable:
            link.close()
            return None
        return link

    def _put_back(self, link: Connection | None, keep: bool) -> None:
        if keep:
            self._turns.append(link)
            return
        if link:
            link.close()
        if len(self._turns) < self._connections:
            self._turns.append(None)


class Fresh:
    """Requests on a connection of their own each."""

    def __init__(self, target: Target, method: str) -> None:
        self._target = target
        self._data = request(target, method, "/", BODY if method == "POST" else None, "Connection: close")
        self._want = len(BODY) if method == "POST" else None

    async def __call__(self) -> Answer:
        """One request. Raises OSError or Lost."""
        link = await Connection.open(self._target)
        try:
            return check(await link.ask(self._data), self._want)
        finally:
            link.close()

    def close(self) -> None:
        """Nothing is kept."""


class Slow:
    """Uploads that take their time: a body in pieces over some seconds."""

    def __init__(self, target: Target, seconds: float = 3.0, size: int = 20_000) -> None:
        self._target = target
        self._seconds = seconds
        self._body = b"x" * size

    async def __call__(self) -> Answer:
        """One upload. Raises OSError or Lost."""
        link = await Connection.open(self._target)
        try:
            data = request(self._target, "POST", "/", self._body, "Connection: close")
            head = len(data) - len(self._body)
            link.writer.write(data[:head])
            step = -(-len(self._body) // _PIECES)
            for start in range(head, len(data), step):
                link.writer.write(data[start : start + step])
                await link.writer.drain()
                await asyncio.sleep(self._seconds / _PIECES)
            return check(await link.answer(), len(self._body))
        finally:
            link.close()

    def close(self) -> None:
        """Nothing is kept."""


def check(answer: Answer, sent: int | None) -> Answer:
    """The answer when it is a good one: 200, and for an upload the number of bytes sent. Raises Lost."""
    if answer.status != 200:
        raise Lost(str(answer.status))
    if sent is not None and answer.body.strip() != str(sent).encode():
        raise Lost("wrong body")
    return answer
