"""A provider that fails half of its calls, and a loop that is killed anywhere: the dead node is replaced in the end."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from du_infra.control import heal as healing
from du_infra.control import minder as minding
from du_infra.control.decision import Decision
from du_infra.control.minder import Minder
from du_infra.errors import EngineFailed
from du_infra.pool.state import Machine, Node
from du_infra.progress import silent
from tests.unit.control.test_heal import World


class Killed(BaseException):
    """The loop's process ends here."""


class Unlucky(World):
    """Every call of the provider may fail, and every step of a replacement may be the last of its process."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        super().__init__(folder, monkeypatch)
        self._dice = random.Random(seed)
        self.made: list[str] = []
        monkeypatch.setattr(minding, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _machines(self) -> list[Machine]:
        self._stumble()
        return super()._machines()

    def _bring_up(self, context: Any, report: object, *, live: bool) -> Any:
        """As ``region up`` does it: names first, then the machine, then the old one goes; each a step of its own."""
        store = self.context.store
        record = store.pool("home")
        if len(record.staying) < context.wish.nodes:
            number = record.counter + 1
            fresh = Node(f"demo-home-{number}", "1c1g", f"198.18.1.{number + 1}")
            record = replace(record, counter=number, nodes=(*record.nodes, fresh))
            store.save_pool("home", record)
            self.made.append(fresh.name)
        self._stumble()
        for node in record.staying:
            self.machines.setdefault(node.name, "running")
        self._stumble()
        record = replace(record, nodes=tuple(replace(n, joined=True) if n.staying else n for n in record.nodes))
        store.save_pool("home", record)
        self._stumble()
        for name in record.going:
            self.machines.pop(name, None)
        self._stumble()
        store.save_pool("home", record.without(record.going))
        self._stumble()
        return SimpleNamespace(nodes=tuple(node.name for node in record.staying))

    def _stumble(self) -> None:
        fate = self._dice.random()
        if fate < 0.2:
            raise Killed
        if fate < 0.5:
            raise EngineFailed("the provider says no")


@pytest.mark.parametrize("seed", range(6))
def test_in_the_end_there_are_two_nodes_and_one_replacement(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, told = Unlucky(tmp_path, monkeypatch, seed), list[Decision]()
    world.kill("demo-home-2")
    minder = Minder("home", told.append, silent)
    for _ in range(150):
        world.now += 20
        try:
            minder.mind(world.context)
        except Killed:
            minder = Minder("home", told.append, silent)
        if set(world.machines) == {"demo-home-1", "demo-home-3"} and not healing.unfinished(world.context):
            break
    assert set(world.machines) == {"demo-home-1", "demo-home-3"}
    assert world.made == ["demo-home-3"]
    assert [node.name for node in world.context.store.pool("home").nodes] == ["demo-home-1", "demo-home-3"]
    assert [row.state for row in world.context.store.healings.all("home")] == ["done"]
