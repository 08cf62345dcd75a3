"""The small HTTP client and the event loop, against real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from du_node import probe
from du_node.loop import Asking, Listener, Loop


@contextmanager
def server(answer: bytes, *, hold: float = 0.0) -> Iterator[int]:
    """A server that answers every connection with these bytes and keeps it open for ``hold`` seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                with link:
                    link.recv(4096)
                    link.sendall(answer)
                    time.sleep(hold)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ask_in_loop(port: int, seconds: float = 0.3) -> probe.Answer:
    loop, got = Loop(), []
    loop.add(Asking(port, "/", seconds, got.append))
    loop.run_until(time.monotonic() + seconds + 0.2)
    assert len(got) == 1
    return got[0]


BOTH = pytest.mark.parametrize("ask", [lambda port: probe.get(port, "/", 0.3), ask_in_loop], ids=["get", "loop"])


@BOTH
def test_status_headers_and_body_are_read(ask: object) -> None:
    with server(b"HTTP/1.1 200 OK\r\nX-One: 1\r\nContent-Length: 2\r\n\r\nhi") as port:
        answer = ask(port)  # type: ignore[operator]
    assert (answer.status, answer.ok, answer.headers["x-one"], answer.body) == (200, True, "1", "hi")


@BOTH
def test_a_whole_answer_is_enough_even_when_the_connection_stays_open(ask: object) -> None:
    with server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", hold=0.5) as port:
        assert ask(port).ok  # type: ignore[operator]


@BOTH
def test_nobody_there_is_told_from_no_answer_and_from_nonsense(ask: object) -> None:
    gone = ask(free_port())  # type: ignore[operator]
    assert (gone.status, gone.refused, gone.why) == (0, True, "refuses connections")
    with server(b"", hold=0.6) as port:
        assert "within 0.3 s" in ask(port).why  # type: ignore[operator]
    with server(b"SSH-2.0-x\r\n") as port:
        assert ask(port).why == "does not speak HTTP"  # type: ignore[operator]
    with server(b"") as port:
        assert "without an answer" in ask(port).why  # type: ignore[operator]


def test_a_status_other_than_2xx_is_not_ok() -> None:
    with server(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n") as port:
        answer = probe.get(port, "/")
    assert (answer.status, answer.ok, answer.refused) == (503, False, False)


def test_slow_slots_do_not_keep_readyz_waiting(tmp_path: Path) -> None:
    loop = Loop()
    address = str(tmp_path / "s")
    loop.add(Listener(address, loop, lambda: (200, '{"ready": true}\n')))
    with server(b"", hold=1.0) as port:
        loop.add(Asking(port, "/", 0.8, lambda answer: None))
        thread = threading.Thread(target=loop.run_until, args=(time.monotonic() + 1.0,))
        thread.start()
        began = time.monotonic()
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(address)
            link.sendall(b"GET /readyz HTTP/1.1\r\n\r\n")
            got = link.recv(4096)
        assert time.monotonic() - began < 0.5
        thread.join()
    assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert got.endswith(b'{"ready": true}\n')
