"""The questions to the other nodes, over real sockets on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_node import places
from du_node.loop import Loop
from du_node.rounds import Rounds

PEER = ("a", "127.0.0.1")


class Other:
    """Another node's peer port: answers ``said``, or takes connections and says nothing."""

    def __init__(self) -> None:
        self.link = socket.create_server(("127.0.0.1", 0))
        self.port = self.link.getsockname()[1]
        self.said: dict[str, Any] | None = {"ready": True, "releases": {"hello": {"ready": True}}}
        self.asked = 0
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.link.accept()
            except OSError:
                return
            self.asked += 1
            self._kept.append(link)
            if self.said is None:
                continue
            link.recv(4096)
            body = json.dumps(self.said).encode()
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            link.close()

    def stop(self) -> None:
        self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()
        for link in self._kept:
            link.close()


@pytest.fixture
def other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Other]:
    made = Other()
    monkeypatch.setattr(places, "PEER_PORT", made.port)
    for name in ("PEERS", "SEEN"):
        monkeypatch.setattr(places, name, str(tmp_path / name))
    yield made
    made.stop()


def run(rounds: Rounds, loop: Loop, seconds: float) -> None:
    """As serve does it, until so much time has passed."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        rounds.ask()
        loop.run_until(min(until, time.monotonic() + 0.02))
        rounds.note(["hello"], ["hello"])


def written() -> Any:
    path = Path(places.PEERS)
    return json.loads(path.read_text()) if path.exists() else None


def until_out(rounds: Rounds, loop: Loop) -> float:
    """Seconds until the peer is out."""
    began = time.monotonic()
    while written() != {}:
        assert time.monotonic() - began < 5
        run(rounds, loop, 0.02)
    return time.monotonic() - began


def test_a_peer_that_answers_is_written_down_and_asked_a_few_times_a_second(other: Other) -> None:
    loop = Loop()
    rounds = Rounds(loop)
    rounds.know([PEER])
    assert not rounds.settled
    run(rounds, loop, 1.3)
    assert written() == {"hello": [{"name": "a", "address": "127.0.0.1"}]}
    assert 2 <= other.asked <= 5
    seen = json.loads(Path(places.SEEN).read_text())["a"]
    assert (seen["up"], seen["draining"], seen["hands_over"]) == (True, False, False)
    assert seen["ready"] is True


def test_a_peer_that_is_gone_is_out_at_once_and_comes_back(other: Other, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop()
    rounds = Rounds(loop)
    rounds.know([PEER])
    run(rounds, loop, 0.5)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setattr(places, "PEER_PORT", unused.getsockname()[1])
        assert until_out(rounds, loop) < 1.0
    monkeypatch.setattr(places, "PEER_PORT", other.port)
    run(rounds, loop, 1.5)
    assert written() == {"hello": [{"name": "a", "address": "127.0.0.1"}]}


def test_a_peer_that_takes_connections_and_says_nothing_is_out_in_time(other: Other) -> None:
    loop = Loop()
    rounds = Rounds(loop)
    rounds.know([PEER])
    run(rounds, loop, 0.5)
    other.said = None
    assert until_out(rounds, loop) < 2.5  # 1.6 on a machine that is not busy


def test_who_was_out_is_out_when_serve_starts_anew_until_it_has_answered_twice(other: Other) -> None:
    Path(places.PEERS).write_text("{}")
    loop = Loop()
    rounds = Rounds(loop)
    rounds.know([PEER])
    run(rounds, loop, 0.2)
    assert written() == {}
    run(rounds, loop, 1.0)
    assert written() != {}


def test_a_peer_that_left_the_region_is_asked_no_more_and_forgotten(other: Other) -> None:
    loop = Loop()
    rounds = Rounds(loop)
    rounds.know([PEER])
    run(rounds, loop, 0.5)
    rounds.know([])
    run(rounds, loop, 0.1)
    asked = other.asked
    run(rounds, loop, 0.6)
    assert (other.asked, written()) == (asked, {})
