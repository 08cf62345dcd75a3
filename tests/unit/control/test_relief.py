"""A node is drained when it sees others that take requests, and not before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from du_infra.control import relief
from du_infra.control.context import RegionContext
from du_infra.errors import NotReady
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.progress import Event

NODE = Node("demo-home-1", "1c1g", "198.18.1.2", joined=True)
UP = {"name": "demo-home-2", "up": True, "draining": False}
DOWN = {"name": "demo-home-2", "up": False}
DRAINING = {"name": "demo-home-2", "up": True, "draining": True}


class Looks:
    """What the node says, look by look; the last is said for ever."""

    def __init__(
        self, *peers: list[Mapping[str, Any]], ready: bool = True, reachable: bool = True, serves: bool = True
    ) -> None:
        self.peers = list(peers)
        services = ({"name": "hello", "ready": True},) if serves else ()
        self.more: dict[str, Any] = {"ready": ready, "reachable": reachable, "services": services}
        self.count = 0

    def __call__(self, context: RegionContext, node: Node) -> NodeReport:
        peers = self.peers[min(self.count, len(self.peers) - 1)]
        self.count += 1
        return NodeReport(node.name, node.address, peers=tuple(peers), **self.more)


def wait(monkeypatch: pytest.MonkeyPatch, looks: Looks, *others: str) -> list[Event]:
    told: list[Event] = []
    monkeypatch.setattr(relief, "observe_node", looks)
    monkeypatch.setattr(relief, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(relief, "_SECONDS", 0.05)
    relief.await_relief(cast(RegionContext, None), NODE, others, told.append)
    return told


def test_a_node_that_sees_the_others_is_drained_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = Looks([UP])
    assert wait(monkeypatch, looks, "demo-home-2") == []
    assert looks.count == 1


@pytest.mark.parametrize("first", [[], [DOWN], [DRAINING]])
def test_another_that_was_just_made_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, first: list[Mapping[str, Any]]
) -> None:
    looks = Looks(first, first, [UP])
    (told,) = wait(monkeypatch, looks, "demo-home-2")
    assert "demo-home-2" in told.text
    assert looks.count == 3


def test_a_node_that_sees_nobody_is_not_drained(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotReady, match="nobody to take its own") as caught:
        wait(monkeypatch, Looks([DOWN]), "demo-home-2")
    assert "--force" in caught.value.todo


def test_one_of_several_is_enough_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    wait(monkeypatch, Looks([UP, {"name": "demo-home-3", "up": False}]), "demo-home-2", "demo-home-3")


@pytest.mark.parametrize("harm", [{"ready": False}, {"reachable": False}, {"serves": False}])
def test_a_node_that_serves_nothing_needs_no_relief(monkeypatch: pytest.MonkeyPatch, harm: dict[str, bool]) -> None:
    looks = Looks([DOWN], **harm)
    wait(monkeypatch, looks, "demo-home-2")
    assert looks.count == 1


def test_where_nobody_else_is_there_is_nobody_to_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wait(monkeypatch, Looks([])) == []
