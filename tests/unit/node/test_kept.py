"""Connections to a copy do not outlive a copy's end: busy ones are ended too, and no request is lost for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from du_node import places
from tests.unit.node.envoy_bed import Server, free_ports
from tests.unit.node.peer_bed import Node, running

_ASKED_SECONDS = 4.0
_OLDEST_SECONDS = 3.0
"""A copy that ends answers on for 5 s."""


@pytest.fixture(params=["nginx", "envoy"])
def node(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    monkeypatch.setattr(places, "PEER_PORT", free_ports(1)[0])
    with running(request.param, tmp_path / "one", "127.0.0.1") as made:
        made.slots = (Server("blue"), Server("green"))
        made.set((made.hello(),))
        yield made
        for slot in made.slots:
            slot.stop()


def test_a_busy_connection_is_used_for_two_seconds_and_every_request_is_answered(node: Node) -> None:
    began, asked = time.monotonic(), 0
    while time.monotonic() - began < _ASKED_SECONDS:
        answer, told = node.ask("/", method="POST", body=b"x")
        assert (answer.status, told["name"]) == (200, "blue")
        asked += 1
        time.sleep(0.02)
    lives = [moments[-1] - moments[0] for moments in node.slots[0].used.values()]
    assert sum(len(moments) for moments in node.slots[0].used.values()) == asked
    assert len(lives) < asked / 5, "they are kept"
    assert max(lives) < _OLDEST_SECONDS
