"""What looks at regions all the time, over real sockets on loopback; nodes only seem to tell."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_infra.control.context import RegionContext
from du_infra.control.traffic import tell
from du_infra.control.traffic.sightings import NodeWord, Sighting
from du_infra.control.traffic.tell import Speakers, ask_node, order_of
from du_infra.control.traffic.watcher import Target, Watcher
from du_infra.engines import ssh
from du_infra.errors import Unreachable
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.spec import FleetSpec
from tests.unit.node.test_regions import Region

FLEET = FleetSpec.model_validate({"fleet": "demo", "regions": {"a": {"provider": "lxd"}, "b": {"provider": "lxd"}}})
NODES = tuple(Node(f"demo-a-{number}", "1c1g", f"198.18.1.{number}", joined=True) for number in (1, 2, 3))


def context(name: str = "a") -> RegionContext:
    return RegionContext(FLEET, name, Path("/nowhere"))


@pytest.fixture
def regions() -> Iterator[list[Region]]:
    first = Region("127.0.0.1")
    both = [first, Region("127.0.0.2", first.port)]
    yield both
    for one in both:
        one.stop()


def until(watcher: Watcher, holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds(watcher.board()):
        assert time.monotonic() < deadline, watcher.board()
        time.sleep(0.02)


def test_regions_are_looked_at_and_their_nodes_asked_until_it_is_stopped(regions: list[Region]) -> None:
    asked: list[tuple[str, str]] = []
    over = threading.Event()

    def ask(where: RegionContext, record: PoolRecord, order: str) -> list[NodeWord]:
        asked.append((where.name, order))
        if where.name == "b":
            over.wait(60)  # a region that is gone holds up nobody else
        return [NodeWord("demo-a-1", time.monotonic(), {"b": Sighting(0, "x", None)})]

    watcher = Watcher(ask, port=regions[0].port)
    record = PoolRecord("127.0.0.1", 1, NODES[:1])
    targets = {"a": Target(context(), record, "127.0.0.1", "{}"), "b": Target(context("b"), record, "127.0.0.2")}
    watcher.aim(targets, 0.2)
    watcher.start()
    until(watcher, lambda board: board.own.keys() == {"a", "b"} and "demo-a-1" in board.nodes["a"])
    began = time.monotonic()
    until(watcher, lambda board: all(seen.at > began for seen in board.own.values()))
    until(watcher, lambda board: sum(name == "a" for name, _ in asked) >= 4)
    assert sum(name == "b" for name, _ in asked) == 1
    over.set()
    seen = watcher.board().own["b"]
    assert (seen.address, seen.said is not None) == ("127.0.0.2", True)
    assert abs(time.monotonic() - seen.at) < 5
    watcher.aim({"a": targets["a"]}, 0.2)
    until(watcher, lambda board: board.own.keys() == {"a"})
    watcher.stop()
    time.sleep(0.5)
    count = len(regions[0].asked)
    time.sleep(0.7)
    assert len(regions[0].asked) == count


def test_who_looks_once_waits_for_nodes_that_have_just_begun_to_watch(regions: list[Region]) -> None:
    calls = 0

    def ask(*_: Any) -> list[NodeWord]:
        nonlocal calls
        calls += 1
        seen = {"b": Sighting(0, "x", None)} if calls > 2 else {}
        return [NodeWord("demo-a-1", time.monotonic(), seen)]

    watcher = Watcher(ask, port=regions[0].port)
    order = order_of(["b"], {"b": "127.0.0.2"}, 2.0)
    watcher.aim({"a": Target(context(), PoolRecord("127.0.0.1", 1, NODES[:1]), "127.0.0.1", order)}, 0.3)
    board = watcher.once(20)
    assert board.nodes["a"]["demo-a-1"].sightings.keys() == {"b"}
    assert board.own.keys() == {"a"}


class Nodes:
    """What SSH gives: nodes that are ``away`` cannot be reached."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.away: set[str] = set()
        self.orders: list[tuple[str, str]] = []
        self.answer = ssh.Result(0, "", "")
        monkeypatch.setattr(tell.ssh, "run", self.run)

    def run(self, target: ssh.Target, argv: list[str], *, stdin: str, timeout: float) -> ssh.Result:
        assert argv == ["du-node", "regions"]
        if target.name in self.away:
            raise Unreachable("does not answer", where=target.name)
        self.orders.append((target.name, stdin))
        return self.answer


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch) -> Nodes:
    made = Nodes(monkeypatch)
    told = {"regions": [], "load": {}, "draining": False, "requests": {"id": "x", "count": 0}, "waited_s": 0}
    made.answer = ssh.Result(0, json.dumps(told), "")
    return made


def test_one_node_speaks_for_its_region_and_the_others_only_tell_their_load_now_and_then(nodes: Nodes) -> None:
    speakers, record = Speakers(), PoolRecord("198.18.1.9", 3, NODES)
    assert {word.node for word in speakers.ask(context(), record, "watch b")} == {one.name for one in NODES}
    assert sorted(nodes.orders) == [("demo-a-1", "watch b"), ("demo-a-2", ""), ("demo-a-3", "")]
    nodes.orders.clear()
    speakers.ask(context(), record, "watch b")
    assert nodes.orders == [("demo-a-1", "watch b")]


def test_when_it_falls_silent_another_one_speaks(nodes: Nodes) -> None:
    speakers, record = Speakers(), PoolRecord("198.18.1.9", 3, NODES)
    speakers.ask(context(), record, "w")
    nodes.away = {"demo-a-1"}
    nodes.orders.clear()
    words = speakers.ask(context(), record, "w")
    assert [(word.node, bool(word.silent)) for word in words] == [("demo-a-1", True), ("demo-a-2", False)]
    nodes.away = set()
    nodes.orders.clear()
    speakers.ask(context(), record, "w")
    assert nodes.orders == [("demo-a-2", "w")]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ssh.Result(2, "", "usage: du-node apply"), "older than this du-infra"),
        (ssh.Result(1, "", "Traceback\nKeyError: 'x'"), "KeyError: 'x'"),
        (ssh.Result(0, "[]", ""), "[]"),
        (ssh.Result(0, "", ""), "nothing"),
    ],
)
def test_a_node_that_tells_nothing_says_why(nodes: Nodes, answer: ssh.Result, words: str) -> None:
    nodes.answer = answer
    assert words in ask_node(context(), NODES[0], "").silent


def test_regions_that_are_not_up_are_watched_by_nobody() -> None:
    order = json.loads(order_of(["b", "c"], {"b": "198.18.2.1", "c": ""}, 2.0))
    assert order == {"interval": 2.0, "regions": [{"name": "b", "address": "198.18.2.1"}], "wait": 0.0}
