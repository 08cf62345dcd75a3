"""What was cut off is seen in the store and on the nodes, and goes on under the region's lock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import du_infra
from du_infra.control import heal as healing
from du_infra.control import resume as going_on
from du_infra.control.context import RegionContext
from du_infra.control.heal import look
from du_infra.control.lock import locked
from du_infra.control.resume import plan_unfinished, resume
from du_infra.control.scale import set_wish
from du_infra.errors import Busy
from du_infra.health.resume import Resume
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Machine, Node, NodeState
from du_infra.progress import silent

FLEET = """fleet: demo
regions: {home: {provider: lxd, pool: {min: 2, max: 5}}}
services:
  hello: {image: registry.local/hello, tag: v1, port: 8080}
"""
ONE, TWO = (Node(f"demo-home-{n}", "1c1g", f"198.18.1.{n + 1}", joined=True) for n in (1, 2))
SERVES: dict[str, Any] = {"ready": True, "services": ({"name": "hello", "release": "v1-aa", "ready": True},)}


class World:
    """A region of two nodes; what they say and which machines there are is a test's to set."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "fleet.yaml").write_text(FLEET)
        self.context = RegionContext(du_infra.load(folder / "fleet.yaml").spec, "home", folder)
        self.machines = ["demo-home-1", "demo-home-2"]
        self.says: dict[str, dict[str, Any]] = {}
        self.brought: list[tuple[int, frozenset[str]]] = []
        self.told: list[Resume] = []
        self.record(ONE, TWO)
        provider = SimpleNamespace(connect=lambda: None, machines=self._machines)
        monkeypatch.setattr("du_infra.control.context.provider_for", lambda *given: provider)
        monkeypatch.setattr(healing, "_ask", self._ask)
        monkeypatch.setattr(going_on, "bring_up", self._bring_up)

    def record(self, *nodes: Node) -> None:
        self.context.store.save_pool("home", PoolRecord("198.18.1.1", 2, nodes))

    def mark(self, state: NodeState) -> None:
        self.record(ONE, replace(TWO, state=state))

    def resume(self, context: RegionContext | None = None, *, dry_run: bool = False) -> dict[str, str]:
        return dict(resume(context or self.context, silent, self.told.append, dry_run=dry_run))

    @property
    def found(self) -> Resume:
        return plan_unfinished(self.context, look(self.context))

    def _machines(self) -> list[Machine]:
        owner = self.context.store.owner()
        return [Machine(name, "running", owner=owner, region="home") for name in self.machines]

    def _ask(self, context: RegionContext, node: Node, machine: str) -> NodeReport:
        return NodeReport(node.name, node.address, **{**SERVES, **self.says.get(node.name, {})})

    def _bring_up(self, context: RegionContext, report: object, *, live: bool) -> Any:
        assert live
        self.brought.append((context.wish.nodes, context.dead))
        return SimpleNamespace(nodes=("demo-home-1",))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_nothing_was_cut_off(world: World) -> None:
    assert world.resume() == {}
    assert (world.told, world.brought) == ([], [])


@pytest.mark.parametrize(("state", "nodes"), [("leaving", 1), ("replaced", 2), ("returning", 2)])
def test_a_mark_is_gone_on_with(world: World, state: NodeState, nodes: int) -> None:
    world.mark(state)
    assert list(world.resume()) == ["demo-home-2"]
    assert world.brought == [(nodes, frozenset())]
    assert len(world.told) == 1


def test_a_scale_is_gone_on_with(world: World) -> None:
    set_wish(world.context, 3)
    assert list(world.resume()) == [""]
    assert world.brought == [(3, frozenset())]


def test_a_node_that_leaves_and_does_not_answer_is_not_waited_for(world: World) -> None:
    world.mark("leaving")
    world.says["demo-home-2"] = {"reachable": False}
    world.resume()
    assert world.brought == [(1, frozenset({"demo-home-2"}))]


def test_a_new_node_that_runs_nothing_yet_gets_what_the_others_run(world: World) -> None:
    world.says["demo-home-2"] = {"ready": False, "services": ()}
    assert list(world.found.work) == ["demo-home-2"]
    world.says["demo-home-2"] |= {"busy": {"verb": "apply"}}
    assert not world.found.work
    world.says = {name: {"ready": False, "services": ()} for name in ("demo-home-1", "demo-home-2")}
    assert not world.found.work  # a service that is new in fleet.yaml waits for `region up`


def test_while_another_is_at_work_nothing_is_told_or_done(world: World) -> None:
    world.mark("leaving")
    with locked(world.context, silent), pytest.raises(Busy):
        world.resume()
    assert (world.told, world.brought) == ([], [])


def test_a_dry_run_only_tells(world: World) -> None:
    world.mark("leaving")
    assert world.resume(dry_run=True) == {}
    assert (len(world.told), world.brought) == (1, [])


def test_with_healing_turned_off_it_only_tells(world: World) -> None:
    world.mark("leaving")
    text = FLEET.replace("max: 5}", "max: 5}, heal: {enabled: false}")
    (world.context.folder / "fleet.yaml").write_text(text)
    off = RegionContext(du_infra.load(world.context.folder / "fleet.yaml").spec, "home", world.context.folder)
    assert world.resume(off) == {}
    assert (world.told[0].waits, world.brought) == ("healing is turned off", [])


def test_a_machine_that_is_ours_and_not_recorded_could_push_another_node_out(world: World) -> None:
    world.mark("returning")
    world.machines.append("demo-home-9")
    assert "demo-home-9 is ours and not recorded" in world.found.waits


def test_a_node_that_does_not_answer_would_only_be_waited_for(world: World) -> None:
    world.record(replace(ONE, state="returning"), TWO)
    world.says["demo-home-2"] = {"reachable": False}
    assert world.found.waits == "demo-home-2 does not answer"


def test_a_node_that_left_for_terraform_is_left_to_it(world: World) -> None:
    world.context.store.event("home", "leave", "demo-home-2")
    world.mark("leaving")
    assert world.resume() == {}
    assert "left for somebody" in world.found.waits
    world.context.store.event("home", "remove", "demo-home-2")  # somebody has said yes since
    assert list(world.resume()) == ["demo-home-2"]
