"""HTTP/2 without TLS, known beforehand to be spoken (RFC 9113 §3.3): many requests at once on one connection.

The library h2 takes a GOAWAY as the end of everything, where the protocol lets streams under way finish. So GOAWAY
frames are taken out of the bytes before h2 sees them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import H2Error

from bench.load.http1 import Answer, Lost
from bench.load.plain import BODY, check
from bench.load.target import Target

_GOAWAY = 0x7
_HEAD = 9


class Moved(Exception):
    """The server will not look at this stream and says so: it may be sent again on a new connection."""


class Frames:
    """Bytes as they come, in; whole frames but GOAWAY, out. ``last`` is what a GOAWAY said: the last stream it does."""

    def __init__(self) -> None:
        self.last: int | None = None
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """The whole frames so far that h2 is to see."""
        self._rest += data
        kept = b""
        while len(self._rest) >= _HEAD:
            size = _HEAD + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                break
            frame, self._rest = self._rest[:size], self._rest[size:]
            if frame[3] == _GOAWAY:
                self.last = int.from_bytes(frame[_HEAD : _HEAD + 4], "big") & 0x7FFFFFFF
            else:
                kept += frame
        return kept


@dataclass
class _Stream:
    done: asyncio.Future[Answer]
    status: int = 0
    release: str = ""
    body: bytes = field(default=b"")


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._frames = Frames()
        self._streams: dict[int, _Stream] = {}
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._h2.initiate_connection()
        self._send()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent here: neither said goodbye nor as many at once as the server takes."""
        return not self._over and self._h2.open_outbound_streams < self._h2.remote_settings.max_concurrent_streams

    @property
    def idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return not self._streams

    async def ask(self, method: str, body: bytes | None) -> Answer:
        """One request on a stream of its own. Raises Lost, or Moved."""
        number = self._h2.get_next_available_stream_id()
        stream = _Stream(asyncio.get_running_loop().create_future())
        self._streams[number] = stream
        headers = [(":method", method), (":scheme", "http"), (":authority", self._target.authority), (":path", "/")]
        if body is not None:
            headers.append(("content-length", str(len(body))))
        self._h2.send_headers(number, headers, end_stream=body is None)
        if body is not None:
            self._h2.send_data(number, body, end_stream=True)
        self._send()
        try:
            return await stream.done
        finally:
            del self._streams[number]
            if stream.done.done() and not stream.done.cancelled():
                stream.done.exception()  # Seen, even where the time was over in the same moment.

    def data_received(self, data: bytes) -> None:
        """Hand the frames to h2, and the answers to those who wait."""
        try:
            events = self._h2.receive_data(self._frames.feed(data))
        except H2Error as error:
            return self._end(Lost(f"not HTTP/2: {type(error).__name__}"))
        for event in events:
            self._take(event)
        if self._frames.last is not None:
            self._say_goodbye(self._frames.last)
        return self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        """Whoever still waits has lost."""
        self._end(Lost("connection reset" if exc else "connection closed before the answer"))

    def close(self) -> None:
        """Close it at once."""
        self._transport.close()

    def _take(self, event: Event) -> None:
        stream = self._streams.get(getattr(event, "stream_id", 0))
        if stream is None or stream.done.done():
            return
        if isinstance(event, ResponseReceived):
            headers = {str(name): str(value) for name, value in event.headers}
            stream.status, stream.release = int(headers[":status"]), headers.get("x-du-release", "")
        elif isinstance(event, DataReceived):
            stream.body += event.data
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            stream.done.set_result(Answer(stream.status, stream.release, stream.body))
        elif isinstance(event, StreamReset):
            refused = event.error_code == ErrorCodes.REFUSED_STREAM  # RFC 9113 §8.7: it was not looked at.
            stream.done.set_exception(Moved() if refused else Lost(f"stream reset ({event.error_code!r})"))

    def _say_goodbye(self, last: int) -> None:
        """No new streams here; those that the server never took are to be sent elsewhere."""
        self._over = True
        for number, stream in self._streams.items():
            if number > last and not stream.done.done():
                stream.done.set_exception(Moved())

    def _end(self, why: Exception) -> None:
        self._over = True
        for stream in self._streams.values():
            if not stream.done.done():
                stream.done.set_exception(why)
        self._transport.close()

    def _send(self) -> None:
        self._transport.write(self._h2.data_to_send())


class Http2:
    """Requests on one shared connection, another where that takes no more; one that says goodbye is let finish."""

    def __init__(self, target: Target, method: str) -> None:
        self._target = target
        self._method = method
        self._body = BODY if method == "POST" else None
        self._sessions: list[Session] = []
        self._opening = asyncio.Lock()
        self.moved = 0

    async def __call__(self) -> Answer:
        """One request. Raises OSError or Lost."""
        for _ in range(3):
            session = await self._usable()
            try:
                return check(await session.ask(self._method, self._body), len(BODY) if self._body else None)
            except Moved:
                self.moved += 1
        raise Lost("sent away three times")

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    async def _usable(self) -> Session:
        async with self._opening:
            for session in self._sessions:
                if session.usable:
                    return session
            self._forget()
            loop = asyncio.get_running_loop()
            address = self._target.address, self._target.port
            _, session = await loop.create_connection(lambda: Session(self._target), *address)
            self._sessions.append(session)
            return session

    def _forget(self) -> None:
        for session in [one for one in self._sessions if one.idle and not one.usable]:
            session.close()
            self._sessions.remove(session)
