"""Servers on loopback that misbehave in one stated way each, and one that does not."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_GOOD = b"HTTP/1.1 200 OK\r\nX-Du-Release: v1-aa\r\nContent-Length: %d\r\n\r\n%s"


@contextmanager
def serving(handler: Handler) -> Iterator[str]:
    """Run ``handler`` for every connection, in a thread; gives "127.0.0.1:<port>"."""
    ready, ports = threading.Event(), []
    loops: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handler(reader, writer)
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(one, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        loops.append((asyncio.get_running_loop(), asyncio.Event()))
        ready.set()
        await loops[0][1].wait()
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield f"127.0.0.1:{ports[0]}"
    finally:
        loop, over = loops[0]
        loop.call_soon_threadsafe(over.set)
        thread.join(5)
        assert not thread.is_alive()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The body of the next request."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next((line for line in head.split("\r\n") if line.startswith("content-length:")), ":0")
    return await reader.readexactly(int(length.partition(":")[2]))


def answer(text: bytes) -> bytes:
    """A good answer."""
    return _GOOD % (len(text), text)


async def good(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers everything with the number of bytes that came."""
    while True:
        writer.write(answer(str(len(await read_request(reader))).encode()))


async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers one request."""
    writer.write(answer(str(len(await read_request(reader))).encode()))


async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers after half a second."""
    body = await read_request(reader)
    await asyncio.sleep(0.5)
    writer.write(answer(str(len(body)).encode()))


async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request and closes."""
    await read_request(reader)


async def drops_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers the first request of a connection and closes when the second has come: what a bad reload does."""
    writer.write(answer(str(len(await read_request(reader))).encode()))
    await read_request(reader)


async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reads the request and resets the connection."""
    await read_request(reader)
    link = writer.get_extra_info("socket")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def bad_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers 502."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")


async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Promises ten bytes and sends five."""
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf.")


async def hangs(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.sleep(60)


async def babbles(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Speaks something else."""
    await read_request(reader)
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
