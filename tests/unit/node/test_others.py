"""While one slot is watched, the others are looked after."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from du_node import gateway, others, places, probe
from du_node.errors import NodeError
from du_node.state import Container, Gateway, Pair

OLD = Container("a", "blue", True, 20000, "r1", "r1", "i", "d", "c")
NEW = Container("a", "green", True, 20001, "r2", "r2", "i", "d", "c")
B = Container("b", "blue", True, 20002, "r1", "r1", "i", "d", "c")
IDLE = Container("b", "green", False, 20003, "r1", "r1", "i", "d", "c")


class Tool:
    """A runtime with these containers; ``broken`` ones cannot be started."""

    def __init__(self) -> None:
        self.found = {c.port: c for c in (OLD, NEW, B, IDLE)}
        self.started: list[int] = []
        self.broken = False

    def containers(self) -> tuple[Container, ...]:
        return tuple(self.found.values())

    def start(self, container: Container) -> None:
        self.started.append(container.port)
        if self.broken:
            raise NodeError("tool", "no")
        self.found[container.port] = replace(container, running=True)

    def die(self, port: int) -> None:
        self.found[port] = replace(self.found[port], running=False)


class Entrance:
    def observe(self) -> Gateway:
        return Gateway(True, {"a": Pair("blue", canary="green", share=5), "b": Pair("blue")})


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Tool:
    made = Tool()

    def get(port: int, *_: object) -> probe.Answer:
        answer = probe.Answer(200 if made.found[port].running else 0)
        answer.refused = not made.found[port].running
        return answer

    monkeypatch.setattr(gateway, "chosen", Entrance)
    monkeypatch.setattr(probe, "get", get)
    monkeypatch.setattr(places, "RESTARTS", str(tmp_path / "restarts.json"))
    return made


def looking(tool: Any) -> tuple[others.Others, list[str]]:
    said: list[str] = []
    return others.Others(NEW, tool, said.append), said


def test_what_stands_still_is_started_again_the_watched_slot_and_unused_ones_are_not(tool: Tool) -> None:
    one, said = looking(tool)
    one.look()
    assert (tool.started, said) == ([], [])
    for port in (OLD.port, NEW.port, B.port):
        tool.die(port)
    one.look()
    assert tool.started == [OLD.port, B.port]
    assert said[0] == "a: blue stands still, and is started again"


def test_what_cannot_be_started_is_tried_at_growing_distances(tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    one, said = looking(tool)
    tool.broken = True
    tool.die(B.port)
    times = []
    for now in range(100):
        monkeypatch.setattr(time, "monotonic", lambda now=now: float(now))
        count = len(tool.started)
        one.look()
        times += [now] * (len(tool.started) - count)
    assert times == [0, 2, 6, 14, 30, 62]
    assert "cannot be started again (no)" in said[-1]
