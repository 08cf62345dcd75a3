"""The sample program behaves, and misbehaves, as its tags say. Run by this machine's Python."""

from __future__ import annotations

import base64
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from du_infra.assets import asset
from du_infra.local.samples import TAGS, _copied

Start = Callable[..., "Hello"]


class Hello:
    """One running copy."""

    def __init__(self, program: Path, environment: dict[str, str]) -> None:
        argv = [sys.executable, "-E", str(program / "app.py")]
        clean = {key: value for key, value in os.environ.items() if not key.startswith("HELLO_")}
        self.process = subprocess.Popen(
            argv,
            env={**clean, "HELLO_PORT": "0", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().rpartition(" ")[2])

    def get(self, path: str = "/", method: str = "GET", body: bytes | None = None) -> tuple[int, str]:
        link = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            link.request(method, path, body)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        finally:
            link.close()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts copies by tag, with more settings if given."""
    program = _copied(sorted((asset("samples") / "hello").glob("*.py")), tmp_path / "hello")
    running: list[Hello] = []

    def begin(tag: str = "v1", **more: str) -> Hello:
        running.append(Hello(program, {**TAGS[tag], **more}))
        return running[-1]

    yield begin
    for one in running:
        one.end()


def test_v1_and_v2_differ_in_what_they_say_and_count_what_is_sent(start: Start) -> None:
    for tag in ("v1", "v2"):
        hello = start(tag)
        assert f"version {tag}" in hello.get()[1]
        assert hello.get("/readyz") == (200, "ready\n")
        assert hello.get("/", "POST", b"x" * 70000) == (200, "70000\n")


@pytest.mark.parametrize(("tag", "status"), [("never-ready", 503), ("no-readyz", 404)])
def test_what_is_never_ready_says_so_and_answers_all_the_same(start: Start, tag: str, status: int) -> None:
    hello = start(tag)
    assert hello.get("/readyz")[0] == status
    assert hello.get()[0] == 200


def test_slow_start_becomes_ready_after_its_time(start: Start) -> None:
    assert TAGS["slow-start"]["HELLO_READY_AFTER"] == "5"
    hello, began = start("slow-start", HELLO_READY_AFTER="0.5"), time.monotonic()
    assert hello.get("/readyz")[0] == 503
    while hello.get("/readyz")[0] != 200:
        assert time.monotonic() - began < 5
        time.sleep(0.05)
    assert time.monotonic() - began > 0.3


def test_the_crash_is_hard_and_leaves_a_last_word(start: Start) -> None:
    assert TAGS["crash-after-5s"]["HELLO_CRASH_AFTER"] == "5"
    hello = start("crash-after-5s", HELLO_CRASH_AFTER="0.2")
    assert hello.get()[0] == 200
    assert hello.process.wait(5) == 3
    assert hello.process.stdout is not None
    assert "crashing, as asked for" in hello.process.stdout.read()


def test_of_every_100_requests_exactly_3_fail_and_readiness_never_does(start: Start) -> None:
    hello = start("errors-3-percent")
    for _ in range(2):
        statuses = [hello.get("/", "POST", b"x")[0] if n % 2 else hello.get()[0] for n in range(100)]
        assert statuses.count(500) == 3
        assert set(statuses) == {200, 500}
        assert all(hello.get("/readyz")[0] == 200 for _ in range(40))


@pytest.mark.parametrize(("base", "low", "high"), [("0", 0.1, 0.18), ("150", 0.3, 0.38)])
def test_slow_takes_100_ms_more_or_twice_the_delay_that_was_asked_for(
    start: Start, base: str, low: float, high: float
) -> None:
    hello = start("slow", HELLO_DELAY_MS=base)

    def seconds() -> float:
        began = time.monotonic()
        assert hello.get()[0] == 200
        return time.monotonic() - began

    assert low <= min(seconds() for _ in range(4)) < high


def test_leaky_takes_memory_for_good(start: Start) -> None:
    hello = start("leaky")

    def resident_kb() -> int:
        lines = Path(f"/proc/{hello.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))

    first = resident_kb()
    time.sleep(2.3)
    assert resident_kb() > first + 15_000


@pytest.mark.parametrize(("tag", "answered"), [("v1", True), ("exits-at-once", False)])
def test_sigterm_lets_a_request_end_except_where_the_copy_exits_at_once(start: Start, tag: str, answered: bool) -> None:
    hello = start(tag)
    with socket.create_connection(("127.0.0.1", hello.port)) as link:
        link.sendall(b"GET /sleep/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        time.sleep(0.3)
        hello.process.send_signal(signal.SIGTERM)
        assert (b"200 OK" in link.recv(4096)) is answered
    assert hello.process.wait(5) == 0


def test_sigterm_is_ignored_where_it_is_to_be(start: Start) -> None:
    hello = start("ignores-sigterm")
    hello.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert hello.get()[0] == 200


def shake_hands(port: int) -> socket.socket:
    link = socket.create_connection(("127.0.0.1", port), timeout=5)
    key = base64.b64encode(b"0123456789abcdef").decode()
    link.sendall(
        f"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    head = b""
    while b"\r\n\r\n" not in head:
        head += link.recv(1)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"Sec-WebSocket-Accept: BACScCJPNqyz+UBoqMH89VmURoA=\r\n" in head
    return link


def masked(first: int, body: bytes) -> bytes:
    mask = b"\x01\x02\x03\x04"
    size = bytes([0x80 | len(body)]) if len(body) < 126 else bytes([0x80 | 126]) + len(body).to_bytes(2, "big")
    return bytes([first]) + size + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(body))


def take(link: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        part = link.recv(count - len(got))
        assert part, "closed too early"
        got += part
    return got


def test_the_websocket_echoes_answers_pings_and_closes(start: Start) -> None:
    assert TAGS["websocket"].keys() == TAGS["v1"].keys()
    with shake_hands(start("websocket").port) as link:
        link.sendall(masked(0x81, b"hi") + masked(0x82, b"x" * 300) + masked(0x89, b"p"))
        assert take(link, 4) == b"\x81\x02hi"
        assert take(link, 304) == b"\x82\x7e\x01\x2c" + b"x" * 300
        assert take(link, 3) == b"\x8a\x01p"
        link.sendall(masked(0x88, b"\x03\xe8"))
        assert take(link, 4) == b"\x88\x02\x03\xe8"
        assert link.recv(1) == b""


def test_when_the_copy_stops_a_websocket_is_told_and_an_event_stream_ends(start: Start) -> None:
    hello = start()
    stream: dict[str, Any] = {}
    reader = threading.Thread(target=lambda: stream.update(got=hello.get("/events")))
    with shake_hands(hello.port) as link:
        reader.start()
        time.sleep(0.3)
        hello.process.send_signal(signal.SIGTERM)
        assert take(link, 4) == b"\x88\x02\x03\xe9"
    assert hello.process.wait(3) == 0
    reader.join(3)
    assert stream["got"] == (200, "id: 1\ndata: v1\n\n")


def test_a_frame_that_no_client_may_send_ends_the_websocket(start: Start) -> None:
    for frame, code in ((b"\x81\x02hi", b"\x03\xea"), (b"\x82\xff" + (1 << 40).to_bytes(8, "big"), b"\x03\xf1")):
        with shake_hands(start().port) as link:
            link.sendall(frame)
            assert take(link, 4) == b"\x88\x02" + code
            assert link.recv(1) == b""
