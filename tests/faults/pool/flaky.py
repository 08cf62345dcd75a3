"""A stand-in for a provider in trouble: LXD's own socket, behind which half of the calls that change something fail.

It listens at ``unix.socket`` in a folder of its own; who has LXD_DIR point there (du-infra, ``lxc``, and Terraform's
provider by way of du-infra) talks through it. It is LXD that answers, and LXD is honest: what this does not show are a
cloud's own habits (quotas, lists that lag behind, an operation that fails minutes after it was accepted).
"""

from __future__ import annotations

import json
import os
import random
import re
import socket
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingMixIn, UnixStreamServer
from typing import Literal, TypeAlias

from du_infra.engines.lxd import find_lxd
from tests.region.conftest import DU, Bed

Fate: TypeAlias = Literal["pass", "500", "503", "cut before", "cut after"]

WAYS: tuple[Fate, ...] = ("500", "503", "cut before", "cut after")
"""How a call fails: an answer that says so, no answer and nothing done, and no answer though it was done."""

_READS = (b"GET", b"HEAD")
_REASONS = {"500": "Internal Server Error", "503": "Service Unavailable"}
_PIECE = 1 << 16


class FlakyProvider(ThreadingMixIn, UnixStreamServer):
    """Passes calls on to the LXD of this machine. The n-th call that changes something has the fate that ``seed`` says,
    whoever makes it. Of those that only read, the share ``reads`` fails: 503, or no answer.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, folder: Path, seed: int, share: float = 0.5, reads: float = 0.0) -> None:
        self.folder = folder
        self.target = find_lxd({"PATH": os.environ["PATH"]}).socket
        self.seen: list[tuple[str, Fate]] = []
        """Every call that changes something ("POST /1.0/instances"), and its fate."""
        self._dice = random.Random(seed)
        self._share = share
        self._read_dice, self._reads = random.Random(seed), reads
        self.unread = 0
        """How many calls that only read failed."""
        self._lock = threading.Lock()
        super().__init__(str(folder / "unix.socket"), _Call)

    def fate_of(self, call: str, *, reads: bool) -> Fate:
        """What becomes of the next call."""
        with self._lock:
            if reads:
                return self._fate_of_reading()
            fate = self._dice.choice(WAYS) if self._dice.random() < self._share else "pass"
            self.seen.append((call, fate))
            return fate

    def _fate_of_reading(self) -> Fate:
        if self._read_dice.random() >= self._reads:
            return "pass"
        self.unread += 1
        return self._read_dice.choice(("503", "cut before"))

    @property
    def fates(self) -> Counter[Fate]:
        """How many calls had which fate."""
        return Counter(fate for _, fate in self.seen)

    @property
    def failed(self) -> int:
        """How many calls failed."""
        return sum(fate != "pass" for _, fate in self.seen)

    @property
    def env(self) -> dict[str, str]:
        """The environment of who is to talk through it, as a user may set it."""
        return {**os.environ, "LXD_DIR": str(self.folder)}

    def run(self, bed: Bed, *verbs: str) -> subprocess.CompletedProcess[str]:
        """`du-infra VERBS` with this provider."""
        command = [*DU, *verbs, "--fleet", str(bed.file)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=self.env)

    def handle_error(self, request: object, client_address: object) -> None:
        """A side that went away is none of our business."""


class _Call(BaseRequestHandler):
    """One connection, and one call on it: "Connection: close" goes with each, so that the next one comes anew."""

    server: FlakyProvider
    request: socket.socket

    def handle(self) -> None:
        head, rest = _head_of(self.request)
        if not head:
            return
        method, path = head.split(b" ", 2)[:2]
        call = f"{method.decode()} {path.decode().partition('?')[0]}"
        fate = self.server.fate_of(call, reads=method in _READS)
        if fate == "pass":
            self._pass_on(head, rest)
        elif fate == "cut after":
            self._do_and_say_nothing(head, rest)
        elif fate != "cut before":
            _body_of(self.request, head, rest)
            self.request.sendall(_answer(fate))

    def _pass_on(self, head: bytes, rest: bytes) -> None:
        with self._lxd() as lxd:
            lxd.sendall(_closing(head) + rest)
            back = threading.Thread(target=_copy, args=(lxd, self.request), daemon=True)
            back.start()
            _copy(self.request, lxd)
            back.join()

    def _do_and_say_nothing(self, head: bytes, rest: bytes) -> None:
        with self._lxd() as lxd:
            lxd.sendall(_closing(head) + _body_of(self.request, head, rest))
            lxd.recv(1)

    def _lxd(self) -> socket.socket:
        link = socket.socket(socket.AF_UNIX)
        link.connect(str(self.server.target))
        return link


def _head_of(link: socket.socket) -> tuple[bytes, bytes]:
    """A request's head with its empty line, and what came of its body with it; both empty when nobody asks."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (piece := link.recv(_PIECE)):
            return b"", b""
        read += piece
    head, _, rest = read.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", rest


def _body_of(link: socket.socket, head: bytes, rest: bytes) -> bytes:
    """A request's whole body: everything that we fail has a length."""
    found = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    length = int(found[1]) if found else 0
    while len(rest) < length and (piece := link.recv(_PIECE)):
        rest += piece
    return rest


def _closing(head: bytes) -> bytes:
    """The head, with the wish that the connection ends after the answer; an upgrade to events is left as it is."""
    if re.search(rb"(?i)\r\nupgrade:", head):
        return head
    return re.sub(rb"(?i)\r\nconnection:[^\r]*", b"", head)[:-2] + b"Connection: close\r\n\r\n"


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Everything from one side to the other, its end included."""
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            target.sendall(piece)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _answer(fate: str) -> bytes:
    """An error as LXD words it."""
    told = {"type": "error", "error": _REASONS[fate], "error_code": int(fate), "metadata": None}
    body = json.dumps(told).encode()
    head = f"HTTP/1.1 {fate} {_REASONS[fate]}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


@contextmanager
def flaky(seed: int, share: float = 0.5, reads: float = 0.0) -> Iterator[FlakyProvider]:
    """A flaky provider for as long as the block lasts. Its folder's path is short: a socket's may not be long."""
    with (
        tempfile.TemporaryDirectory(prefix="du-flaky-", dir="/tmp") as folder,
        FlakyProvider(Path(folder), seed, share, reads) as made,
    ):
        thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.shutdown()
            thread.join()
