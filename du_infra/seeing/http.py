"""A small HTTP server in a thread of its own, for answers that are made in memory; it holds nobody up.

What a client may send, how long it may take for that and for reading the answer, and how many there may be at once are
limited; one more than that sends away the one that has taken longest. Each connection gets one answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TypeAlias

from du_infra._version import __version__

_CHUNK = 64 << 10
_DRAINED = 64 << 10
_KERNEL = 128 << 10
_LINGER_SECONDS = 1.0


@dataclass(frozen=True)
class Request:
    """``path`` without its ``query``; ``headers`` by name in small letters; ``body`` is that of a POST."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Response:
    """``headers`` besides those that every answer has."""

    status: int
    body: bytes
    type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


Answer: TypeAlias = Callable[[Request], Response]


@dataclass(frozen=True)
class Limits:
    """``head`` and ``body`` in bytes; ``read`` and ``write`` in seconds for all of it; ``clients`` at once."""

    head: int = 8192
    body: int = 0
    read: float = 5.0
    write: float = 10.0
    clients: int = 128


class Server:
    """Answers on a socket that listens already, until ``close``."""

    def __init__(self, listening: socket.socket, answer: Answer, limits: Limits | None = None) -> None:
        self._socket, self._answer, self._limits = listening, answer, limits or Limits()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _KERNEL)  # those that it accepts have it, too
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True, name="status page")
        self._thread.start()

    def close(self) -> None:
        """Stop answering; whoever is being answered is cut off."""
        with contextlib.suppress(RuntimeError):  # it has ended by itself
            self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        asyncio.set_event_loop(self._loop)
        serving = asyncio.start_server(self._client, sock=self._socket, limit=self._limits.head)
        server = self._loop.run_until_complete(serving)
        try:
            self._loop.run_forever()
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
            self._loop.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._tasks) >= self._limits.clients:
            next(iter(self._tasks)).cancel()
        self._tasks[task] = None
        try:
            await self._serve(reader, writer)
        except (OSError, TimeoutError, asyncio.CancelledError):
            _forget(writer)
        finally:
            self._tasks.pop(task, None)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await self._request(reader)
        response = self._respond(request) if isinstance(request, Request) else request
        head = isinstance(request, Request) and request.method == "HEAD"
        await asyncio.wait_for(_write(writer, response, head=head), self._limits.write)
        with contextlib.suppress(TimeoutError):  # who is not heard out may not read what he is told
            await asyncio.wait_for(_drain(reader), _LINGER_SECONDS)

    async def _request(self, reader: asyncio.StreamReader) -> Request | Response:
        try:
            raw = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self._limits.read)
        except TimeoutError:
            return plain(408)
        except asyncio.LimitOverrunError:
            return plain(431)
        except asyncio.IncompleteReadError as error:
            if not error.partial:
                raise OSError("the client said nothing") from error
            return plain(400)
        request = parse(raw)
        if not self._limits.body or isinstance(request, Response) or request.method != "POST":
            return request
        return await self._with_body(request, reader)

    async def _with_body(self, request: Request, reader: asyncio.StreamReader) -> Request | Response:
        """RFC 9112, section 6.3: without a length it has none; in chunks it is not taken."""
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or "transfer-encoding" in request.headers:
            return plain(411)
        if int(length) > self._limits.body:
            return plain(413)
        try:
            body = await asyncio.wait_for(reader.readexactly(int(length)), self._limits.read)
        except TimeoutError:
            return plain(408)
        except asyncio.IncompleteReadError:
            return plain(400)
        return replace(request, body=body)

    def _respond(self, request: Request) -> Response:
        try:
            return self._answer(request)
        except Exception as error:  # a page that cannot be made must not end the others
            return plain(500, f"this could not be shown: {type(error).__name__}")


def parse(raw: bytes) -> Request | Response:
    """A request's head (RFC 9112, section 3 and 5). Headers given twice are put together."""
    first, *lines = raw.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    method, _, rest = first.partition(" ")
    target, _, version = rest.rpartition(" ")
    if not method.isalpha() or not target.startswith("/") or not version.startswith("HTTP/1."):
        return plain(400)
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            return plain(400)
        key = name.lower()
        headers[key] = f"{headers[key]}, {value.strip()}" if key in headers else value.strip()
    path, _, query = target.partition("?")
    return Request(method, path, query, headers)


def plain(status: int, words: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """An answer in words."""
    return Response(status, f"{words or HTTPStatus(status).phrase}\n".encode(), headers=headers or {})


def _forget(writer: asyncio.StreamWriter) -> None:
    """What was not read is thrown away now: the kernel would keep it for a client that may never read it."""
    with contextlib.suppress(OSError):
        found = writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def _write(writer: asyncio.StreamWriter, response: Response, *, head: bool) -> None:
    fixed = {
        "Content-Type": response.type,
        "Content-Length": str(len(response.body)),
        "Connection": "close",
        "Server": f"du-infra/{__version__}",
    }
    lines = [f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in {**fixed, **response.headers}.items()]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
    for start in range(0, 0 if head else len(response.body), _CHUNK):
        writer.write(response.body[start : start + _CHUNK])
        await writer.drain()  # so a client that reads slowly costs a chunk of memory, not a page
    await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


async def _drain(reader: asyncio.StreamReader) -> None:
    """Hear out what is still sent, within bounds: a connection that is closed before may lose our answer."""
    left = _DRAINED
    while left > 0 and (data := await reader.read(4096)):
        left -= len(data)
