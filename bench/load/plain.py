"""The kinds of short requests over HTTP/1.1: on kept and on fresh connections, GET and POST, quick and slow bodies."""

from __future__ import annotations

import asyncio
from collections import deque

from bench.load.http1 import Answer, Connection, Lost, request
from bench.load.target import Target

BODY = b"x" * 200
_PIECES = 10


class Kept:
    """Requests on kept connections, each used in turn: every one is idle for a while before its next request."""

    def __init__(self, target: Target, method: str, connections: int = 10) -> None:
        self._target = target
        self._data = request(target, method, "/", BODY if method == "POST" else None)
        self._want = len(BODY) if method == "POST" else None
        self._connections = connections
        self._idle: deque[Connection] = deque()
        self._open = 0

    async def __call__(self) -> Answer:
        """One request. Raises OSError or Lost."""
        link = self._take() or await self._connect()
        try:
            answer = check(await link.ask(self._data), self._want)
        except BaseException:
            self._drop(link)
            raise
        if answer.keep:
            self._idle.append(link)
        else:
            self._drop(link)
        return answer

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._drop(self._idle.popleft())

    def _take(self) -> Connection | None:
        """The connection that was idle for longest; one that is known to be closed is not used, as everywhere."""
        while self._idle and self._open >= self._connections:
            link = self._idle.popleft()
            if link.usable:
                return link
            self._drop(link)
        return None

    async def _connect(self) -> Connection:
        link = await Connection.open(self._target)
        self._open += 1
        return link

    def _drop(self, link: Connection) -> None:
        self._open -= 1
        link.close()


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
