"""`node reboot`, `node upgrade` and rounds of both, with made-up nodes: killed anywhere, nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

import du_infra
from du_infra.control import rounds
from du_infra.control.context import RegionContext
from du_infra.control.leave import mark
from du_infra.control.node.boot import Boot
from du_infra.control.node.reboot import reboot
from du_infra.control.node.upgrade import upgrade
from du_infra.control.rounds import plan_round, run_round
from du_infra.errors import DuError, EngineFailed, NotReady, Refused, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 3}}\nservices: {}\n"
A, B, C = NAMES = ("demo-home-1", "demo-home-2", "demo-home-3")


class Killed(BaseException):
    """The controller dies here."""


@dataclass
class World:
    """Nodes and what was done to them, in order; the controller dies after ``lives`` steps."""

    front: str = A
    drained: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    drift: set[str] = field(default_factory=set)
    asks: set[str] = field(default_factory=set)
    updates: set[str] = field(default_factory=lambda: {*NAMES})
    boots: dict[str, int] = field(default_factory=lambda: dict.fromkeys(NAMES, 1))
    done: list[str] = field(default_factory=list)
    lives: int = 999

    def step(self, what: str) -> None:
        if self.lives == 0:
            raise Killed
        self.lives -= 1
        self.done.append(what)

    def report(self, node: Node) -> NodeReport:
        name = node.name
        return NodeReport(
            name,
            node.address,
            reachable=name not in self.silent,
            ready=name not in self.silent | self.broken,
            draining=name in self.drained,
            drift=("/etc/x",) if name in self.drift else (),
            front=name == self.front,
            why="no answer" if name in self.silent else "",
        )

    def observe_node(self, context: RegionContext, node: Node) -> NodeReport:
        return self.report(node)

    def observe_nodes(self, context: RegionContext, nodes: Sequence[Node]) -> list[NodeReport]:
        return [self.report(node) for node in nodes]

    def drain_node(
        self, context: RegionContext, record: PoolRecord, node: str, report: object, cut_after: object, *, last: bool
    ) -> int:
        self.step(f"drain {node}")
        self.drained.add(node)
        if self.front == node:
            self.front = next(name for name in NAMES if name not in self.drained | self.silent)
        return 0

    def undrain_node(self, context: RegionContext, record: PoolRecord, node: str, report: object) -> None:
        self.step(f"undrain {node}")
        self.drained.discard(node)

    def boot_of(self, context: RegionContext, node: Node) -> Boot | None:
        return None if node.name in self.silent else Boot(str(self.boots[node.name]))

    def await_boot(self, context: RegionContext, node: Node) -> Boot:
        self.silent.discard(node.name)  # it comes up meanwhile
        return Boot(str(self.boots[node.name]))

    def reboot_out_of(self, context: RegionContext, node: Node, mark: str, report: object) -> None:
        if str(self.boots[node.name]) == mark:
            self.boots[node.name] += 1
            self.asks.discard(node.name)
            self.silent.add(node.name)
            self.step(f"reboot {node.name}")
        self.silent.discard(node.name)
        if node.name in self.broken:
            raise NotReady("does not serve", where=node.name)

    def run_playbook(self, playbook: str, targets: Sequence[SimpleNamespace], *_: object) -> SimpleNamespace:
        (name,) = (target.name for target in targets)
        self.step(f"upgrade {name}")
        if name in self.broken:
            self.broken.discard(name)
            raise EngineFailed("apt says no", where=name)
        changed = int(name in self.updates)
        self.updates.discard(name)
        return SimpleNamespace(changed=changed)

    def run(self, target: SimpleNamespace, argv: Sequence[str]) -> SimpleNamespace:
        assert argv == ["test", "-e", "/run/reboot-required"]
        return SimpleNamespace(rc=0 if target.name in self.asks else 1)

    def configure(
        self, context: RegionContext, record: PoolRecord, reports: Sequence[NodeReport], report: object
    ) -> int:
        self.step(f"configure {[told.name for told in reports]}")
        return 0


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    node = "du_infra.control.node"
    with (
        patch("du_infra.control.machines.observe_nodes", world.observe_nodes),
        patch("du_infra.control.machines.front_of", lambda record, reports: world.front),
        patch(f"{node}.away.observe_node", world.observe_node),
        patch(f"{node}.away.drain_node", world.drain_node),
        patch(f"{node}.away.undrain_node", world.undrain_node),
        patch(f"{node}.away.await_boot", world.await_boot),
        patch(f"{node}.boot.boot_of", world.boot_of),
        patch(f"{node}.boot.observe_node", world.observe_node),
        patch(f"{node}.reboot.await_boot", world.await_boot),
        patch(f"{node}.reboot.reboot_out_of", world.reboot_out_of),
        patch(f"{node}.upgrade.await_boot", world.await_boot),
        patch(f"{node}.upgrade.reboot_out_of", world.reboot_out_of),
        patch(f"{node}.upgrade.observe_nodes", world.observe_nodes),
        patch(f"{node}.upgrade.configure_nodes", world.configure),
        patch(f"{node}.upgrade.ssh", world),
        patch("du_infra.engines.ansible.run_playbook", world.run_playbook),
        patch.object(rounds, "boot_of", world.boot_of),
        patch(f"{node}.away._PATIENCE_SECONDS", 0.0),
    ):
        yield world


@pytest.fixture
def region(tmp_path: Path) -> RegionContext:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    context = RegionContext(du_infra.load(tmp_path / "fleet.yaml").spec, "home", tmp_path)
    nodes = tuple(Node(name, "1c1g", f"198.18.1.{n}", joined=True) for n, name in enumerate(NAMES, 2))
    context.state.mkdir()
    context.store.save_pool("home", PoolRecord("198.18.1.1", 3, nodes))
    return context


def states(context: RegionContext) -> list[str]:
    return [node.state for node in context.record.nodes]


def walk(name: str, *works: str) -> list[str]:
    return [f"drain {name}", *(f"{work} {name}" for work in works), f"undrain {name}"]


def test_a_round_goes_node_by_node_and_the_holder_of_the_address_is_last(world: World, region: RegionContext) -> None:
    told = run_round(region, "reboot", silent)
    assert world.done == [*walk(B, "reboot"), *walk(C, "reboot"), *walk(A, "reboot")]
    assert [turn.node for turn in told.nodes] == [B, C, A]
    assert states(region) == ["", "", ""]
    run_round(region, "reboot", silent)  # the next one begins anew
    assert world.boots == dict.fromkeys(NAMES, 3)


def test_copies_that_left_a_node_meanwhile_come_back_before_the_next_one_goes(
    world: World, region: RegionContext
) -> None:
    with patch("du_infra.control.node.away.settle_if_it_can", lambda *_: world.step("settle copies")):
        run_round(region, "reboot", silent)
    assert world.done == [step for name in (B, C, A) for step in (*walk(name, "reboot"), "settle copies")]


@pytest.mark.parametrize("lives", range(9))
def test_a_round_of_reboots_that_is_killed_anywhere_reboots_each_node_once(
    world: World, region: RegionContext, lives: int
) -> None:
    world.lives = lives
    with pytest.raises(Killed):
        run_round(region, "reboot", silent)
    world.lives = 999
    run_round(region, "reboot", silent)
    assert world.boots == dict.fromkeys(NAMES, 2)
    assert not world.drained
    assert states(region) == ["", "", ""]


@pytest.mark.parametrize("lives", range(11))
def test_a_round_of_upgrades_that_is_killed_anywhere_upgrades_all_and_reboots_who_asks_once(
    world: World, region: RegionContext, lives: int
) -> None:
    world.asks, world.lives = {A, C}, lives
    with pytest.raises(Killed):
        run_round(region, "upgrade", silent)
    world.lives = 999
    run_round(region, "upgrade", silent)
    assert world.boots == {A: 2, B: 1, C: 2}
    assert not world.updates
    assert not world.drained


def test_a_node_that_region_up_took_back_after_a_kill_is_not_rebooted_again(
    world: World, region: RegionContext
) -> None:
    world.lives = 2  # drained and rebooted
    with pytest.raises(Killed):
        run_round(region, "reboot", silent)
    mark(region, region.record, [B], "")
    world.drained.discard(B)
    world.silent.discard(B)
    world.lives = 999
    told = run_round(region, "reboot", silent)
    assert [turn.node for turn in told.nodes] == [B, C, A]
    assert world.boots == dict.fromkeys(NAMES, 2)


def test_the_plan_says_who_is_done_who_began_it_and_whose_turn_was_cut_off(world: World, region: RegionContext) -> None:
    assert [(one.kind, one.target) for one in plan_round(region, "reboot").actions] == [
        ("reboot", B),
        ("reboot", C),
        ("reboot", A),
    ]
    world.lives = 4  # the first is done, the second drained
    with pytest.raises(Killed):
        run_round(region, "reboot", silent)
    plan = plan_round(region, "reboot")
    assert [(one.target, one.why) for one in plan.actions] == [
        (C, "its turn was cut off"),
        (A, "it holds the region's address"),
    ]
    assert f"done are {B}" in plan.notes[0]
    assert plan_round(region, "upgrade", force=True).notes == ()


def test_a_round_stops_where_another_node_takes_no_requests_and_says_how_far_it_came(
    world: World, region: RegionContext
) -> None:
    world.broken = {A}
    assert plan_round(region, "reboot").notes == (f"{A}: takes no requests now; before it does, nothing begins",)
    with pytest.raises(Refused) as caught:
        run_round(region, "reboot", silent)
    assert caught.value.where == A
    assert caught.value.done == f"no node is done; left are {A}, {B}, {C}; the same command goes on with them"
    assert world.done == []


def test_a_node_that_does_not_come_back_stops_the_round(world: World, region: RegionContext) -> None:
    world.broken = {C}
    with pytest.raises(NotReady) as caught:
        run_round(region, "reboot", silent, force=True)
    assert caught.value.done == f"done are {B}; left are {C}, {A}; the same command goes on with them"
    assert states(region) == ["", "", "returning"]
    assert world.boots[A] == 1


def test_a_dead_node_is_not_waited_for(world: World, region: RegionContext) -> None:
    world.silent = {B}
    with pytest.raises(Unreachable, match="no answer"):
        run_round(region, "reboot", silent)
    assert world.done == []
    with pytest.raises(Unreachable, match="no answer"):
        upgrade(region, B, silent)


def test_a_node_whose_upgrade_fails_takes_requests_again_and_the_round_stops(
    world: World, region: RegionContext
) -> None:
    world.broken = {C}  # until apt has said no
    with pytest.raises(EngineFailed, match="apt says no") as caught:
        run_round(region, "upgrade", silent, force=True)
    assert caught.value.done.startswith(f"{C} takes requests, as before; done are {B}; left are {C}, {A}")
    assert not world.drained
    assert states(region) == ["", "", ""]
    assert [turn.node for turn in run_round(region, "upgrade", silent).nodes] == [C, A]


def test_an_upgrade_without_news_says_so_and_one_that_asks_is_rebooted(world: World, region: RegionContext) -> None:
    world.updates, world.asks = {B}, {C}
    assert [upgrade(region, name, silent).done for name in NAMES] == ["up to date", "upgraded", "rebooted"]
    assert world.boots == {A: 1, B: 1, C: 2}


def test_a_node_whose_files_a_package_changed_is_configured_before_it_takes_requests(
    world: World, region: RegionContext
) -> None:
    world.drift = {B, C}
    upgrade(region, B, silent)
    assert world.done == [f"drain {B}", f"upgrade {B}", f"configure ['{B}']", f"undrain {B}"]


@pytest.mark.parametrize("order", [reboot, upgrade])
def test_a_node_that_was_drained_by_hand_stays_drained(world: World, region: RegionContext, order: object) -> None:
    world.drained = {B}
    assert callable(order)
    order(region, B, silent)
    assert world.drained == {B}
    assert states(region) == ["", "", ""]


def test_the_only_node_is_not_drained(world: World, region: RegionContext) -> None:
    region.store.save_pool("home", replace(region.record, nodes=region.record.nodes[:1]))
    run_round(region, "upgrade", silent)
    assert world.done == [f"upgrade {A}", f"undrain {A}"]


def test_every_error_of_a_round_is_one_of_ours(world: World, region: RegionContext) -> None:
    region.store.forget("home")
    with pytest.raises(DuError, match="not up"):
        run_round(region, "reboot", silent)
