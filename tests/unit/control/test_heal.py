"""What healing does with a region: whom it believes, what it starts and replaces, and how it goes on after a kill."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import du_infra
from du_infra.control import heal as healing
from du_infra.control.context import RegionContext
from du_infra.control.heal import heal, look, plan_heal, unfinished, votes_of
from du_infra.control.lock import locked
from du_infra.errors import Busy, EngineFailed, NotReady
from du_infra.health.heal import CONTROLLER, PROVIDER, View
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Machine, Node
from du_infra.progress import silent

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 2}, heal: {dead_after: 30s}}\nservices: {}\n"
ONE, TWO, THREE = (Node(f"demo-home-{n}", "1c1g", f"198.18.1.{n + 1}", joined=True) for n in (1, 2, 3))


class World:
    """A region of two nodes whose machines, answers and replacement are a test's to say."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (folder / "fleet.yaml").write_text(FLEET)
        self.context = RegionContext(du_infra.load(folder / "fleet.yaml").spec, "home", folder)
        self.machines = {"demo-home-1": "running", "demo-home-2": "running"}
        self.peers: dict[str, dict[str, bool]] = {}
        self.dead: set[str] = set()
        self.started: list[str] = []
        self.unstartable = False
        self.trouble: Exception | None = None
        self.brought: list[tuple[int, frozenset[str]]] = []
        self.now = 1000.0
        self.context.store.save_pool("home", PoolRecord("198.18.1.1", 2, (ONE, TWO)))
        provider = SimpleNamespace(connect=lambda: None, machines=self._machines, start=self._start)
        monkeypatch.setattr("du_infra.control.context.provider_for", lambda *given: provider)
        monkeypatch.setattr(healing, "_ask", self._ask)
        monkeypatch.setattr(healing, "bring_up", self._bring_up)
        monkeypatch.setattr(healing, "time", SimpleNamespace(monotonic=lambda: self.now))

    def _machines(self) -> list[Machine]:
        owner = self.context.store.owner()
        return [Machine(name, status, owner=owner, region="home") for name, status in self.machines.items()]

    def _start(self, name: str) -> None:
        if self.unstartable:
            raise EngineFailed("could not start it")
        self.started.append(name)

    def _ask(self, context: RegionContext, node: Node, machine: str) -> NodeReport:
        if machine != "running" or node.name in self.dead:
            return NodeReport(node.name, node.address, reachable=False)
        seen = self.peers.get(node.name, {})
        peers = tuple({"name": name, "up": up} for name, up in seen.items())
        return NodeReport(node.name, node.address, ready=True, peers=peers)

    def _bring_up(self, context: RegionContext, report: object, *, live: bool) -> Any:
        """A new node, and the ones that were to go are gone."""
        assert live
        self.brought.append((context.wish.nodes, context.dead))
        if self.trouble:
            raise self.trouble
        record = self.context.store.pool("home")
        nodes = (*(node for node in record.staying if node.name != THREE.name), THREE)
        self.context.store.save_pool("home", replace(record, counter=3, nodes=nodes))
        return SimpleNamespace(nodes=tuple(node.name for node in nodes))

    def kill(self, name: str) -> None:
        self.dead.add(name)
        self.peers = {"demo-home-1": {"demo-home-2": False}}

    def seen_since(self, seconds: float) -> None:
        plan_heal(self.context, look(self.context))
        self.now += seconds


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_every_observer_has_a_word_and_a_running_machine_is_none() -> None:
    views = [View("a-1"), View("a-2", reachable=False), View("a-3", "stopped", reachable=False)]
    word = {"name": "a-2", "up": False}
    first = NodeReport("a-1", "", ready=True, peers=(word, {"name": "gone", "up": True}, {"name": "a-3", "up": None}))
    silent_one = NodeReport("a-2", "", reachable=False, peers=({"name": "a-1", "up": False},))
    assert votes_of(views, [first, silent_one, replace(silent_one, name="a-3")]) == {
        "a-1": {CONTROLLER: True},
        "a-2": {CONTROLLER: False, "a-1": False},
        "a-3": {CONTROLLER: False, PROVIDER: False},
    }


@pytest.mark.parametrize("fields", [{"draining": True}, {"busy": {"verb": "apply"}}, {"installed": False}])
def test_a_node_that_somebody_works_on_is_not_ill(fields: dict[str, Any]) -> None:
    assert votes_of([View("a-1")], [NodeReport("a-1", "", **fields)])["a-1"] == {CONTROLLER: True}


def test_a_node_whose_du_node_is_broken_is_ill() -> None:
    broken = NodeReport("a-1", "", installed=False, broken=True)
    assert votes_of([View("a-1")], [broken])["a-1"] == {CONTROLLER: False}


@pytest.mark.parametrize(
    ("reachable", "ready", "well"), [(True, False, False), (True, True, True), (False, False, True)]
)
def test_of_a_node_that_lets_us_in_the_others_word_is_whether_it_is_ready(
    reachable: bool, ready: bool, well: bool
) -> None:
    word = {"name": "a-2", "up": True, "ready": ready}
    reports = [NodeReport("a-1", "", ready=True, peers=(word,)), NodeReport("a-2", "", reachable=reachable)]
    assert votes_of([View("a-1"), View("a-2")], reports)["a-2"]["a-1"] is well


def test_a_region_that_is_well_or_not_up_is_left_alone(world: World, tmp_path: Path) -> None:
    assert heal(world.context, silent).done == {}
    world.context.store.forget("home")
    assert plan_heal(world.context, look(world.context)).sightings == {}


def test_a_dead_node_is_replaced_by_as_many_as_there_were_and_not_waited_for(world: World) -> None:
    world.kill("demo-home-2")
    world.seen_since(30)
    (world.context.folder / "fleet.yaml").write_text(FLEET.replace("nodes: 2", "nodes: 5"))
    done = heal(world.context, silent).done
    assert done == {"demo-home-2": "demo-home-3 took its place"}
    assert world.brought == [(2, frozenset({"demo-home-2"}))]
    (row,) = world.context.store.healings.all("home")
    assert (row.node, row.state, row.detail) == ("demo-home-2", "done", "demo-home-3 took its place")


def test_before_its_time_nothing_happens(world: World) -> None:
    world.kill("demo-home-2")
    world.seen_since(29)
    assert heal(world.context, silent).done == {}
    assert world.brought == []


def test_a_stopped_machine_is_started_and_that_is_all(world: World) -> None:
    world.machines["demo-home-2"] = "stopped"
    world.seen_since(30)
    assert heal(world.context, silent).done == {"demo-home-2": "started"}
    world.now += 1
    assert heal(world.context, silent).done == {}
    assert (world.started, world.brought) == (["demo-home-2"], [])


def test_a_machine_that_cannot_be_started_is_replaced_in_the_same_pass(world: World) -> None:
    world.machines["demo-home-2"], world.unstartable = "stopped", True
    world.seen_since(30)
    assert heal(world.context, silent).done == {"demo-home-2": "demo-home-3 took its place"}


def test_while_a_command_works_on_the_region_nothing_is_done(world: World) -> None:
    world.kill("demo-home-2")
    world.seen_since(30)
    with locked(world.context, silent), pytest.raises(Busy):
        heal(world.context, silent)


def test_a_replacement_that_failed_goes_on_and_costs_the_budget_once(world: World) -> None:
    world.kill("demo-home-2")
    world.seen_since(30)
    world.trouble = EngineFailed("no room")
    with pytest.raises(EngineFailed):
        heal(world.context, silent)
    assert list(unfinished(world.context)) == ["demo-home-2"]
    world.trouble = None
    assert "demo-home-2" in heal(world.context, silent).done
    assert unfinished(world.context) == {}
    assert len(world.context.store.healings.all("home")) == 1


def test_a_replacement_whose_last_step_was_cut_off_is_closed(world: World) -> None:
    world.context.store.healings.begin("home", "demo-home-0", "dead", 2, "ann@desk")
    assert heal(world.context, silent).done == {}
    assert unfinished(world.context) == {}
    assert world.brought == []


def test_a_replacement_whose_old_machine_is_gone_lasts_until_the_new_one_is_part_of_the_region(world: World) -> None:
    world.context.store.healings.begin("home", "demo-home-2", "dead", 2, "ann@desk")
    fresh = replace(THREE, joined=False)
    world.context.store.save_pool("home", PoolRecord("198.18.1.1", 3, (ONE, fresh)))
    world.machines["demo-home-3"] = "running"
    assert heal(world.context, silent).done == {"demo-home-2": "demo-home-3 took its place"}
    assert world.brought == [(2, frozenset())]
    assert unfinished(world.context) == {}


def never_came_up(world: World) -> None:
    """A replacement of the second node fails, because its new machine does not answer within the time it has."""
    world.kill("demo-home-2")
    world.seen_since(30)
    world.trouble = NotReady("no SSH within 120 s", where="demo-home-3")
    with pytest.raises(NotReady):
        heal(world.context, silent)
    record = world.context.store.pool("home")
    fresh = replace(THREE, joined=False, state="replaced")
    world.context.store.save_pool("home", replace(record, nodes=(*record.nodes, fresh)))
    world.machines["demo-home-3"] = "running"
    world.dead.add("demo-home-3")
    world.trouble = None


def test_a_new_machine_that_never_comes_up_is_waited_for_again_where_the_budget_is_spent(world: World) -> None:
    never_came_up(world)
    for name in ("demo-away-1", "demo-away-2"):
        world.context.store.healings.begin("home", name, "dead", 2, "ann@desk")
        world.context.store.healings.end("home", [name])
    world.trouble = NotReady("no SSH within 120 s", where="demo-home-3")
    with pytest.raises(NotReady):
        heal(world.context, silent)
    states = {node.name: node.state for node in world.context.store.pool("home").nodes}
    assert states == {"demo-home-1": "", "demo-home-2": "replaced", "demo-home-3": ""}
    assert len(world.context.store.healings.all("home")) == 3


def test_a_new_machine_that_never_comes_up_is_replaced_too(world: World) -> None:
    never_came_up(world)
    assert sorted(heal(world.context, silent).done) == ["demo-home-2", "demo-home-3"]
    assert world.brought[-1] == (2, frozenset({"demo-home-2", "demo-home-3"}))
    assert len(world.context.store.healings.all("home")) == 2


def test_a_new_machine_that_still_boots_is_waited_for(world: World) -> None:
    world.context.store.healings.begin("home", "demo-home-2", "dead", 2, "ann@desk")
    fresh = replace(THREE, joined=False)
    nodes = (ONE, replace(TWO, state="replaced"), fresh)
    world.context.store.save_pool("home", PoolRecord("198.18.1.1", 3, nodes))
    world.machines["demo-home-3"] = "running"
    world.dead |= {"demo-home-2", "demo-home-3"}
    heal(world.context, silent)
    assert world.brought == [(2, frozenset({"demo-home-2"}))]


def test_turned_off_nothing_goes_on_either(world: World) -> None:
    world.context.store.healings.begin("home", "demo-home-2", "dead", 2, "ann@desk")
    world.context.store.save_pool("home", PoolRecord("198.18.1.1", 2, (ONE, replace(TWO, state="replaced"))))
    (world.context.folder / "fleet.yaml").write_text(FLEET.replace("heal: {", "heal: {enabled: false, "))
    off = RegionContext(du_infra.load(world.context.folder / "fleet.yaml").spec, "home", world.context.folder)
    assert unfinished(off) == {}
    assert heal(off, silent).done == {}
    assert world.brought == []
