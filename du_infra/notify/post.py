"""One try to deliver: a POST with a limit on all of it. Nothing that it says holds a part of the address."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from du_infra.errors import SpecError

_PORTS = {"http": 80, "https": 443}
_AGAIN = {408, 425, 429}
_READ = 4096


@dataclass(frozen=True)
class Outcome:
    """How a try ended. ``why`` is "" when it was delivered; ``again``: whether another may end better.

    ``wait``: how many seconds the receiver asked to be left alone; 0 when it did not.
    """

    why: str = ""
    again: bool = False
    wait: float = 0.0


def address_of(text: str, where: str) -> SplitResult:
    """The parts of a webhook's address. Raises SpecError, which does not repeat it."""
    try:
        parts = urlsplit(text)
        fits = parts.scheme in _PORTS and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        fits = False
    if not fits or not text.isascii() or not text.isprintable() or " " in text:
        what = "the value is no address that starts with https:// or http://"
        raise SpecError(what, where=where, todo="put the webhook's whole address there, and nothing else")
    return parts


def post(parts: SplitResult, body: bytes, headers: Mapping[str, str], seconds: float) -> Outcome:
    """Send ``body``; an answer of 2xx is a delivery. Redirections are not followed: the address is the secret."""
    try:
        with _connected(parts, seconds) as (connection, late):
            target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
            connection.request("POST", target, body=body, headers={**headers, **_login(parts)})
            answer = connection.getresponse()
            answer.read(_READ)
            if late.is_set():  # what looks like the end of an answer was ours
                raise TimeoutError
    except (OSError, http.client.HTTPException, ValueError) as error:
        return Outcome(_words(error), again=True)
    return judge(answer.status, answer.getheader("Retry-After") or "")


def judge(status: int, retry_after: str = "") -> Outcome:
    """What an HTTP status means for a delivery."""
    if 200 <= status < 300:
        return Outcome()
    again = status >= 500 or status in _AGAIN
    wait = float(retry_after) if again and retry_after.isascii() and retry_after.isdigit() else 0.0
    return Outcome(f"it answers {status}", again, wait)


@contextmanager
def _connected(parts: SplitResult, seconds: float) -> Iterator[tuple[http.client.HTTPConnection, threading.Event]]:
    """A connection that is cut after ``seconds``, however slowly the other side speaks; the event says that it was."""
    host, port = str(parts.hostname), parts.port or _PORTS[parts.scheme]
    plain = socket.create_connection((host, port), timeout=seconds)
    made = [plain]
    late = threading.Event()
    cut = threading.Timer(seconds, _cut, (made, late))
    cut.daemon = True
    cut.start()
    connection = http.client.HTTPConnection(host, port)
    try:
        connection.sock = plain
        if parts.scheme == "https":
            context = ssl.create_default_context()
            secured = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
            made.append(secured)
            connection.sock = secured
            secured.do_handshake()
        yield connection, late
    finally:
        cut.cancel()
        connection.close()
        plain.close()


def _cut(made: Sequence[socket.socket], late: threading.Event) -> None:
    """Not by the TLS socket's own method: that would say goodbye first, and wait."""
    late.set()
    for one in made:
        with suppress(OSError):
            socket.socket.shutdown(one, socket.SHUT_RDWR)


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _words(error: Exception) -> str:
    """An error by its kind: its own words may hold the address."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return "its certificate is not to be trusted"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, socket.gaierror):
        return "its name is not known"
    if isinstance(error, ssl.SSLError):
        return "it does not speak TLS as we do"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"no answer ({type(error).__name__})"
