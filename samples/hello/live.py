"""Long-lived connections: a websocket that sends back what it gets (RFC 6455), and server-sent events."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
_LONGEST = 1 << 20
_DATA, _CLOSE, _PING, _PONG = (0x0, 0x1, 0x2), 0x8, 0x9, 0xA
_GOING_AWAY, _PROTOCOL_ERROR, _TOO_BIG = 1001, 1002, 1009
_EVENT_SECONDS = 1.0

_stopping = threading.Event()
_open: set[Websocket] = set()
_guard = threading.Lock()


def farewell() -> None:
    """The program stops: every websocket is closed as the protocol wants it, every event stream ends."""
    _stopping.set()
    with _guard:
        for one in _open:
            one.leave(_GOING_AWAY)


def events(handler: BaseHTTPRequestHandler, version: str) -> None:
    """A numbered event at once and then every second, until one side goes."""
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Cache-Control", "no-store")
    handler.send_header("X-Accel-Buffering", "no")  # nginx would gather the events
    handler.send_header("Connection", "close")
    handler.end_headers()
    number = 0
    with suppress(OSError):
        while number == 0 or not _stopping.wait(_EVENT_SECONDS):
            number += 1
            handler.wfile.write(f"id: {number}\ndata: {version}\n\n".encode())
            handler.wfile.flush()


def websocket(handler: BaseHTTPRequestHandler) -> None:
    """Shake hands, then echo until one side closes."""
    key = handler.headers.get("Sec-WebSocket-Key")
    if not key or handler.headers.get("Upgrade", "").lower() != "websocket":
        handler.send_response(426)
        handler.send_header("Upgrade", "websocket")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    proof = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()  # noqa: S324 - the protocol's
    handler.send_response(101)
    handler.send_header("Upgrade", "websocket")
    handler.send_header("Connection", "Upgrade")
    handler.send_header("Sec-WebSocket-Accept", proof)
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True
    with suppress(OSError), _known(Websocket(handler)) as link:
        link.echo()


class Websocket:
    """The server's side of one connection, after the handshake."""

    def __init__(self, handler: BaseHTTPRequestHandler) -> None:
        self._link: socket.socket = handler.connection
        self._file = handler.rfile
        self._sending = threading.Lock()

    def echo(self) -> None:
        """Send back every message frame by frame, as it came."""
        while head := self._file.read(2):
            first, length = head[0], head[1] & 0x7F
            if len(head) < 2 or not head[1] & 0x80:
                return self.leave(_PROTOCOL_ERROR)  # a client's frames are masked
            if length >= 126:
                length = int.from_bytes(self._file.read(2 if length == 126 else 8), "big")
            if length > _LONGEST:
                return self.leave(_TOO_BIG)
            mask, body = self._file.read(4), self._file.read(length)
            if not self._answer(first, _unmasked(body, mask)):
                return None
        return None

    def leave(self, code: int) -> None:
        """Send a closing frame and read no more."""
        with suppress(OSError):
            self._send(0x80 | _CLOSE, code.to_bytes(2, "big"))
            self._link.shutdown(socket.SHUT_RD)

    def _answer(self, first: int, body: bytes) -> bool:
        kind = first & 0x0F
        if kind in _DATA:
            self._send(first, body)
        elif kind == _PING:
            self._send(0x80 | _PONG, body)
        elif kind == _CLOSE:
            self._send(0x80 | _CLOSE, body[:2])
        return kind != _CLOSE

    def _send(self, first: int, body: bytes) -> None:
        size = len(body)
        if size < 126:
            head = bytes([first, size])
        elif size < 1 << 16:
            head = bytes([first, 126]) + size.to_bytes(2, "big")
        else:
            head = bytes([first, 127]) + size.to_bytes(8, "big")
        with self._sending:
            self._link.sendall(head + body)


def _unmasked(body: bytes, mask: bytes) -> bytes:
    """XOR with the four bytes of the mask, as one large number each."""
    if not body:
        return body
    stretched = (mask * (len(body) // 4 + 1))[: len(body)]
    return (int.from_bytes(body, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(body), "big")


@contextmanager
def _known(link: Websocket) -> Iterator[Websocket]:
    """Have ``farewell`` reach it."""
    with _guard:
        _open.add(link)
    try:
        if _stopping.is_set():
            link.leave(_GOING_AWAY)
        yield link
    finally:
        with _guard:
            _open.discard(link)
