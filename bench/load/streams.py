"""Long-lived connections: a websocket that expects an echo of all it says, and a stream of events.

Each is opened again when the other side ends it, and that is counted as a cut. A stream that cannot be opened, or
that falls silent, is a loss.
"""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Callable
from typing import Protocol

from bench.load.explain import TROUBLE, explain
from bench.load.http1 import Connection, Head, Lost, request
from bench.load.tally import Tally
from bench.load.target import Target

_TEXT, _CLOSE = 0x81, 0x88
_BETWEEN = 0.2
"""Seconds between two messages of a websocket, and before a stream is opened again."""


class Cut(Exception):
    """The other side has ended the stream."""


class Stream(Protocol):
    """What a kind of stream must do."""

    async def open(self, link: Connection) -> Head:
        """Ask for the stream. Raises Lost."""

    async def step(self, link: Connection) -> None:
        """Get, or send and get, one message. Raises Cut."""


class Websocket:
    """Says a word, waits for its echo, waits a little (RFC 6455)."""

    def __init__(self, target: Target) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {key}")
        self._data = request(target, "GET", "/ws", None, *lines)
        self._count = 0

    async def open(self, link: Connection) -> Head:
        """Shake hands."""
        link.writer.write(self._data)
        head = await link.head()
        if head.status != 101:
            raise Lost(str(head.status))
        return head

    async def step(self, link: Connection) -> None:
        """One word and its echo."""
        self._count += 1
        word = f"word {self._count}".encode()
        link.writer.write(_masked(_TEXT, word))
        first, size = await _exactly(link, 2)
        body = await _exactly(link, size)
        if first == _CLOSE:
            raise Cut(f"closed by the other side with code {int.from_bytes(body[:2], 'big')}")
        if (first, body) != (_TEXT, word):
            raise Lost("another word came back")


class Events:
    """Server-sent events: waits for each."""

    def __init__(self, target: Target) -> None:
        self._data = request(target, "GET", "/events", None, "Accept: text/event-stream")

    async def open(self, link: Connection) -> Head:
        """Ask for the events."""
        link.writer.write(self._data)
        head = await link.head()
        if head.status != 200:
            raise Lost(str(head.status))
        return head

    async def step(self, link: Connection) -> None:
        """One event, whatever the chunks around it. The last chunk is the end, also on a connection that is kept."""
        try:
            while not (line := await link.reader.readuntil(b"\n")).startswith(b"data:"):
                if line == b"0\r\n":
                    raise Cut("ended by the other side")
        except asyncio.IncompleteReadError as error:
            raise Cut("ended by the other side") from error


async def follow(kind: str, make: Callable[[Target], Stream], target: Target, tally: Tally, timeout: float) -> None:
    """Keep one stream open, for ever."""
    while True:
        stream, due, link = make(target), time.monotonic(), None
        try:
            async with asyncio.timeout(timeout):
                link = await Connection.open(target)
                head = await stream.open(link)
            await _talk(kind, stream, link, tally, timeout)
        except Cut as end:
            tally.cut(kind, str(end), due, head.release)
        except TROUBLE as error:
            tally.lost(kind, explain(error))
        finally:
            if link:
                link.close()
        await asyncio.sleep(_BETWEEN)


async def _talk(kind: str, stream: Stream, link: Connection, tally: Tally, timeout: float) -> None:
    """Messages until the stream is cut, or one does not come in time."""
    while True:
        due = time.monotonic()
        async with asyncio.timeout(timeout):
            try:
                await stream.step(link)
            except ConnectionError as error:
                raise Cut(explain(error)) from error
        tally.message(kind, due)
        if isinstance(stream, Websocket):
            await asyncio.sleep(_BETWEEN)


async def _exactly(link: Connection, size: int) -> bytes:
    try:
        return await link.reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise Cut("ended by the other side without a closing frame") from error


def _masked(first: int, body: bytes) -> bytes:
    mask = os.urandom(4)
    return bytes([first, 0x80 | len(body)]) + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(body))
