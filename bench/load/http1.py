"""HTTP/1.1, as much of it as a load client needs (RFC 9112): cheap on CPU, and it hides nothing."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Mapping
from dataclasses import dataclass

from bench.load.target import Target


class Lost(Exception):
    """A request got no good answer; the text says what happened."""


@dataclass(frozen=True)
class Head:
    """Status and headers (names in small letters) of an answer."""

    status: int
    headers: Mapping[str, str]

    @property
    def release(self) -> str:
        """The release that answered, where du-node's gateway says it."""
        return self.headers.get("x-du-release", "")


@dataclass(frozen=True)
class Answer:
    """A whole answer; ``keep``: the connection may be used again."""

    status: int
    release: str
    body: bytes
    keep: bool = False


def request(target: Target, method: str, path: str, body: bytes | None = None, *more: str) -> bytes:
    """The bytes of a request; ``more`` are header lines."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {target.authority}", *more]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Connection:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.answered = 0

    @classmethod
    async def open(cls, target: Target) -> Connection:
        """Connect. Raises OSError."""
        return cls(*await asyncio.open_connection(target.address, target.port))

    @property
    def usable(self) -> bool:
        """Whether the other side has not closed it yet, as far as is known on this machine.

        An idle connection that has something to read has been closed, even if our event loop has not come to it:
        clients that keep connections (urllib3, httpcore, Go's) look before they send, and so does this one.
        """
        if self.reader.at_eof() or self.reader.exception() or self.writer.is_closing():
            return False
        look = select.poll()
        look.register(self.writer.get_extra_info("socket").fileno(), select.POLLIN)
        return not look.poll(0)

    async def ask(self, data: bytes) -> Answer:
        """Send a request and read its answer. Raises OSError or Lost."""
        self.writer.write(data)
        return await self.answer()

    async def answer(self) -> Answer:
        """Read one answer. Raises OSError or Lost."""
        head = await self.head()
        body = await self._body(head.headers)
        self.answered += 1
        return Answer(head.status, head.release, body, head.headers.get("connection", "").lower() != "close")

    async def head(self) -> Head:
        """Read status and headers. Raises OSError or Lost."""
        try:
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except asyncio.IncompleteReadError as error:
            raise Lost(self._closed(len(error.partial))) from error
        first, *lines = text.split("\r\n")
        words = first.split(" ", 2)
        if len(words) < 2 or not words[1].isdigit():
            raise Lost("not HTTP")
        pairs = (line.partition(":") for line in lines if line)
        return Head(int(words[1]), {name.lower(): value.strip() for name, _, value in pairs})

    def close(self) -> None:
        """Close it at once."""
        self.writer.close()

    def _closed(self, came: int) -> str:
        if came:
            return "closed within the answer"
        return "kept connection closed before the answer" if self.answered else "closed before the answer"

    async def _body(self, headers: Mapping[str, str]) -> bytes:
        try:
            if "chunked" in headers.get("transfer-encoding", ""):
                return await self._chunks()
            return await self.reader.readexactly(int(headers.get("content-length", "0")))
        except asyncio.IncompleteReadError as error:
            raise Lost("closed within the answer") from error

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return body
