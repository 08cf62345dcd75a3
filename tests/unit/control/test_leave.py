"""A node leaves in order, loses no request, and whoever is killed on the way is gone on with."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

import du_infra
from du_infra.control import leave, machines
from du_infra.control.context import RegionContext
from du_infra.control.machines import leaving
from du_infra.control.node import drain as node_drain
from du_infra.control.node import reboot as node_reboot
from du_infra.control.node.remove import remove
from du_infra.errors import EngineFailed, Refused, SpecError
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Machine, Network, Node, NodeState
from du_infra.progress import Event, silent

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 3}}\nservices: {}\n"
NAMES = ("demo-home-1", "demo-home-2", "demo-home-3")


class Killed(BaseException):
    """The controller dies here."""


@dataclass
class Cloud:
    """Machines and what was done to them, in order; dies after ``lives`` steps."""

    machines: set[str] = field(default_factory=lambda: {*NAMES})
    drained: set[str] = field(default_factory=set)
    dead: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    refuses: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    knows: tuple[str, ...] = NAMES
    relief: dict[str, set[str]] = field(default_factory=dict)
    lives: int = 99

    def step(self, what: str) -> None:
        if self.lives == 0:
            raise Killed
        self.lives -= 1
        self.done.append(what)

    def observe(self, context: RegionContext, nodes: Sequence[Node]) -> list[NodeReport]:
        return [
            NodeReport(
                node.name,
                node.address,
                reachable=node.name in self.machines and node.name not in self.dead,
                ready=node.name not in self.sick | self.dead,
                draining=node.name in self.drained,
                peers=tuple({"name": name} for name in self.knows if name != node.name),
                why="no answer" if node.name in self.dead else "",
            )
            for node in nodes
        ]

    def drain(self, context: RegionContext, node: Node, report: object, cut_after: float) -> int:
        if node.name in self.refuses:
            raise EngineFailed("cannot be drained", where=node.name)
        self.step(f"drain {node.name}")
        self.drained.add(node.name)
        return 0

    def undrain(self, context: RegionContext, node: Node, report: object) -> None:
        self.step(f"undrain {node.name}")
        self.drained.discard(node.name)

    def await_relief(self, context: RegionContext, node: Node, others: Collection[str], report: object) -> None:
        self.relief[node.name] = {*others}

    def stand_back(self, context: RegionContext, node: Node, report: object) -> None:
        self.step(f"stand back {node.name}")

    def configure(
        self, context: RegionContext, record: PoolRecord, reports: Sequence[NodeReport], report: object
    ) -> int:
        knows = tuple(node.name for node in record.nodes)
        self.step(f"configure {[told.name for told in reports]} {[*knows]}")
        self.knows = knows
        return 0

    def stop(self, context: RegionContext, node: Node, report: object) -> None:
        self.step(f"stop {node.name}")

    def destroy(self, context: RegionContext, record: PoolRecord, names: Sequence[str], report: object) -> None:
        self.step(f"destroy {[*names]}")
        self.machines -= {*names}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    world = Cloud()
    fakes: dict[str, Callable[..., object]] = {
        "observe_nodes": world.observe,
        "await_relief": world.await_relief,
        "drain": world.drain,
        "drain_if_there": world.drain,
        "undrain": world.undrain,
        "configure_nodes": world.configure,
        "stop_services": world.stop,
        "stand_back": world.stand_back,
        "destroy_nodes": world.destroy,
    }
    provider = type("Empty", (), {"connect": lambda self: None})()
    with (
        patch.multiple(leave, **fakes),
        patch("du_infra.control.node.remove.observe_nodes", world.observe),
        patch("du_infra.control.context.provider_for", return_value=provider),
    ):
        yield world


@pytest.fixture
def region(tmp_path: Path) -> RegionContext:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    context = RegionContext(du_infra.load(tmp_path / "fleet.yaml").spec, "home", tmp_path)
    nodes = tuple(Node(name, "1c1g", f"198.18.1.{n}", joined=True) for n, name in enumerate(NAMES, 2))
    context.state.mkdir()
    context.store.save_pool("home", PoolRecord("198.18.1.1", 3, nodes))
    context.home.mkdir(parents=True)
    context.known_hosts.write_text("".join(f"{name} ssh-ed25519 AAAA\n" for name in NAMES))
    return context


def pool(context: RegionContext) -> PoolRecord:
    return context.store.pool("home")


def states(context: RegionContext) -> dict[str, str]:
    return {node.name: node.state for node in pool(context).nodes}


def test_a_node_leaves_in_order_and_others_stay_as_they_are(cloud: Cloud, region: RegionContext) -> None:
    before = pool(region)
    leave.leave_nodes(region, before, ["demo-home-2"], silent)
    assert cloud.done == [
        "drain demo-home-2",
        "stand back demo-home-2",
        "configure ['demo-home-1', 'demo-home-3'] ['demo-home-1', 'demo-home-3']",
        "stop demo-home-2",
        "destroy ['demo-home-2']",
    ]
    assert pool(region) == before.without(["demo-home-2"])
    assert "demo-home-2" not in region.known_hosts.read_text()
    assert "demo-home-3" in region.known_hosts.read_text()
    assert cloud.relief == {"demo-home-2": {"demo-home-1", "demo-home-3"}}


@pytest.mark.parametrize("lives", range(6))
def test_killed_anywhere_the_node_is_marked_and_the_next_run_ends_it(
    cloud: Cloud, region: RegionContext, lives: int
) -> None:
    cloud.lives = lives
    try:
        leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    except Killed:
        assert states(region)["demo-home-2"] == "leaving"
    cloud.lives = 99
    record = pool(region)
    if record.going:
        leave.leave_nodes(region, record, record.going, silent)
    assert cloud.machines == {"demo-home-1", "demo-home-3"}
    assert list(states(region)) == ["demo-home-1", "demo-home-3"]
    assert cloud.knows == ("demo-home-1", "demo-home-3")


def test_a_node_that_is_drained_and_forgotten_is_not_drained_again(cloud: Cloud, region: RegionContext) -> None:
    cloud.lives = 3
    with pytest.raises(Killed):
        leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    cloud.lives, cloud.done = 99, []
    leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    assert [step.partition(" ")[0] for step in cloud.done] == ["configure", "stop", "destroy"]


def test_a_drain_that_is_refused_stops_everything_after_it(cloud: Cloud, region: RegionContext) -> None:
    cloud.refuses.add("demo-home-2")
    with pytest.raises(EngineFailed, match="cannot be drained"):
        leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    assert cloud.done == []
    assert cloud.machines == {*NAMES}


def test_a_dead_node_is_not_drained_but_told_of_and_destroyed(cloud: Cloud, region: RegionContext) -> None:
    cloud.dead.add("demo-home-1")
    told: list[Event] = []
    leave.leave_nodes(region, pool(region), ["demo-home-1"], told.append)
    assert not any(step.startswith(("drain", "stop")) for step in cloud.done)
    assert any(event.kind == "warning" and "not drained" in event.text for event in told)
    assert cloud.machines == {"demo-home-2", "demo-home-3"}


def test_another_dead_node_is_no_reason_to_wait(cloud: Cloud, region: RegionContext) -> None:
    cloud.dead.add("demo-home-3")
    leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    assert "configure ['demo-home-1'] ['demo-home-1', 'demo-home-3']" in cloud.done


@pytest.mark.parametrize("harm", ["dead", "sick", "drained"])
def test_the_last_node_that_serves_does_not_leave_unless_forced(cloud: Cloud, region: RegionContext, harm: str) -> None:
    getattr(cloud, harm).update({"demo-home-1", "demo-home-3"})
    with pytest.raises(Refused, match="no other node is ready"):
        leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    assert states(region)["demo-home-2"] == ""
    with pytest.raises(Refused, match="no other node is ready"):
        leave.drain_node(region, pool(region), "demo-home-2", silent)
    leave.leave_nodes(region, pool(region), ["demo-home-2"], silent, last=True)
    assert cloud.machines == {"demo-home-1", "demo-home-3"}


def test_a_drained_node_is_not_destroyed_when_the_others_broke_meanwhile(cloud: Cloud, region: RegionContext) -> None:
    cloud.drained.add("demo-home-2")
    cloud.sick.update({"demo-home-1", "demo-home-3"})
    record = leave.mark(region, pool(region), ["demo-home-2"], "leaving")
    with pytest.raises(Refused, match="no other node is ready"):
        leave.leave_nodes(region, record, ["demo-home-2"], silent)
    assert cloud.machines == {*NAMES}


def test_a_stranger_is_refused_by_name(cloud: Cloud, region: RegionContext) -> None:
    with pytest.raises(SpecError, match="no such node") as caught:
        leave.leave_nodes(region, pool(region), ["demo-home-9"], silent)
    assert "demo-home-1, demo-home-2, demo-home-3" in caught.value.todo


def test_nodes_that_come_back_take_requests_and_are_as_any_other(cloud: Cloud, region: RegionContext) -> None:
    cloud.drained.add("demo-home-2")
    record = leave.mark(region, pool(region), ["demo-home-2"], "returning")
    leave.take_back(region, record, silent)
    assert cloud.done == ["undrain demo-home-2"]
    assert set(states(region).values()) == {""}


def test_a_leaving_node_is_known_to_the_others_as_long_as_it_takes_requests(
    cloud: Cloud, region: RegionContext
) -> None:
    record = leave.mark(region, pool(region), ["demo-home-2"], "leaving")
    reports = cloud.observe(region, record.nodes)
    assert leave.connected(record, reports) == record
    drained = [replace(told, draining=told.name == "demo-home-2") for told in reports]
    assert leave.connected(record, drained) == record.without(["demo-home-2"])


def test_a_node_that_is_to_be_replaced_is_told_of_the_new_one_too(cloud: Cloud, region: RegionContext) -> None:
    cloud.dead.add("demo-home-3")
    record = leave.mark(region, pool(region), ["demo-home-2"], "replaced")
    reports = cloud.observe(region, record.nodes)
    assert [told.name for told in leave.configurable(record, reports)] == [*NAMES]
    record = leave.mark(region, record, ["demo-home-3"], "leaving")
    assert [told.name for told in leave.configurable(record, reports)] == ["demo-home-1", "demo-home-2"]


def test_whoever_is_forgotten_stands_back_from_the_address_first(cloud: Cloud, region: RegionContext) -> None:
    cloud.drained.update({"demo-home-2", "demo-home-3"})
    cloud.dead.add("demo-home-3")
    record = leave.mark(region, pool(region), ["demo-home-2", "demo-home-3"], "leaving")
    rest = leave.part_with(region, record, cloud.observe(region, record.nodes), silent)
    assert [node.name for node in rest.nodes] == ["demo-home-1"]
    assert cloud.done == ["stand back demo-home-2"]


def test_a_removed_node_is_one_less_until_the_file_changes(cloud: Cloud, region: RegionContext) -> None:
    result = remove(region, "demo-home-1", silent)
    assert result.nodes == ("demo-home-2", "demo-home-3")
    assert region.wish.nodes == 2


def test_a_removal_that_was_killed_asks_for_no_further_node_less(cloud: Cloud, region: RegionContext) -> None:
    cloud.lives = 1
    with pytest.raises(Killed):
        remove(region, "demo-home-1", silent)
    assert region.wish.nodes == 2
    cloud.lives = 99
    remove(region, "demo-home-1", silent)
    assert region.wish.nodes == 2
    assert cloud.machines == {"demo-home-2", "demo-home-3"}


def test_the_only_node_is_not_removed(cloud: Cloud, region: RegionContext) -> None:
    region.store.save_pool("home", pool(region).without(["demo-home-2", "demo-home-3"]))
    with pytest.raises(SpecError, match="at least 1 node") as caught:
        remove(region, "demo-home-1", silent, force=True)
    assert "region down home" in caught.value.todo
    assert cloud.done == []


def test_a_node_on_its_way_out_is_not_simply_undrained(cloud: Cloud, region: RegionContext) -> None:
    leave.mark(region, pool(region), ["demo-home-2"], "leaving")
    with pytest.raises(Refused, match="on its way out") as caught:
        node_drain.undrain(region, "demo-home-2", silent)
    assert "region scale home 3" in caught.value.todo


@pytest.mark.parametrize("state", ["leaving", "replaced"])
@pytest.mark.parametrize("order", [node_drain.undrain, node_reboot.reboot])
def test_a_node_on_its_way_out_is_not_rebooted_and_left_drained(
    cloud: Cloud, region: RegionContext, order: Callable[..., object], state: NodeState
) -> None:
    leave.mark(region, pool(region), ["demo-home-2"], state)
    with pytest.raises(Refused, match="on its way out") as caught:
        order(region, "demo-home-2", silent)
    assert "region up home" in caught.value.todo
    assert ("region scale home 3" in caught.value.todo) == (state == "leaving")  # what is replaced is not taken back
    assert cloud.done == []


def test_a_name_that_the_region_does_not_have_is_a_mistake_and_a_machine_that_is_no_node_yet_is_told_of(
    cloud: Cloud, region: RegionContext
) -> None:
    owner = region.store.owner()
    ours = [Machine("demo-home-7", "running", owner=owner, region="home"), Machine("demo-home-8", "running")]
    provider = SimpleNamespace(connect=lambda: None, machines=lambda: ours)
    with patch("du_infra.control.context.provider_for", return_value=provider):
        for name in ("demo-home-8", "demo-home-9"):
            with pytest.raises(SpecError, match="no such node"):
                remove(region, name, silent)
        with pytest.raises(Refused, match="its machine is there") as caught:
            remove(region, "demo-home-7", silent)
    assert "region reconcile home" in caught.value.todo


def test_nobody_is_asked_twice_about_a_node_that_is_on_its_way_out(cloud: Cloud, region: RegionContext) -> None:
    owner = region.store.owner()
    machines = [Machine(name, "running", (f"198.18.1.{n}",), owner, "demo", "home") for n, name in enumerate(NAMES, 2)]
    network = Network("198.18.0.0/16", "198.18.0.1", "198.18.1.1", "198.18.1.60")
    provider = SimpleNamespace(connect=lambda: None, machines=lambda: machines, network=lambda: network)
    asked = RegionContext(region.fleet, "home", region.folder, nodes=2)
    with (
        patch("du_infra.control.context.provider_for", return_value=provider),
        patch("du_infra.control.machines.observe_nodes", cloud.observe),
        patch("du_infra.control.machines.front_of", return_value=""),
    ):
        assert leaving(asked) == ["demo-home-3"]
        leave.mark(region, pool(region), ["demo-home-3"], "leaving")
        assert leaving(RegionContext(region.fleet, "home", region.folder, nodes=2)) == []
        region.store.save_pool("home", pool(region).without(["demo-home-3"]))  # ours, and not recorded: it would go
        assert leaving(RegionContext(region.fleet, "home", region.folder, nodes=2)) == ["demo-home-3"]


def test_a_node_drained_by_hand_after_a_reboot_was_cut_off_stays_so(cloud: Cloud, region: RegionContext) -> None:
    leave.mark(region, pool(region), ["demo-home-2"], "returning")
    node_drain.drain(region, "demo-home-2", silent)
    assert states(region)["demo-home-2"] == ""
    assert cloud.drained == {"demo-home-2"}


class Folder:
    """Terraform's folder: which nodes it was last asked for."""

    asked: tuple[str, ...] = ()

    def init(self, report: object) -> None: ...

    def tracked(self) -> dict[str, str]:
        return dict.fromkeys(NAMES, "")

    def plan_for(self, there: Collection[str], *, report: object) -> SimpleNamespace:
        return SimpleNamespace(changes=())

    def apply(self, changes: object, report: object) -> None: ...


def test_when_a_node_goes_one_that_was_lost_is_not_made_again_under_its_name(
    region: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, folder = region.store.owner(), Folder()
    there = [Machine(name, "running", owner=owner, region="home") for name in NAMES[1:]]
    monkeypatch.setattr(machines, "open_workspace", lambda context: folder)
    monkeypatch.setattr(
        machines, "_write", lambda _, context, record: setattr(folder, "asked", tuple(n.name for n in record.nodes))
    )
    halted: list[str] = []
    provider = SimpleNamespace(machines=lambda: there, halt=halted.append)
    monkeypatch.setattr("du_infra.control.context.provider_for", lambda *_: provider)
    machines.destroy_nodes(region, pool(region), ["demo-home-1", "demo-home-2"], silent)
    assert folder.asked == ("demo-home-3",)
    assert halted == ["demo-home-2"]  # and not the one that is gone, nor the one that stays


def clustered(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leave, "has_cluster", lambda _: True)
    monkeypatch.setattr(leave, "refuse_to_part", lambda *_: None)
    monkeypatch.setattr(leave, "part", lambda context, record, names, *_: cloud.step(f"part {[*names]}"))


def test_a_node_leaves_its_cluster_while_the_others_still_let_it_in(
    cloud: Cloud, region: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered(cloud, monkeypatch)
    leave.leave_nodes(region, pool(region), ["demo-home-2"], silent)
    assert [words.split()[0] for words in cloud.done] == ["drain", "stand", "stop", "part", "configure", "destroy"]


def test_who_is_forgotten_on_the_way_up_has_left_its_cluster_first(
    cloud: Cloud, region: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered(cloud, monkeypatch)
    cloud.drained = {"demo-home-2"}
    record = leave.mark(region, pool(region), ["demo-home-2"], "leaving")
    rest = leave.part_with(region, record, cloud.observe(region, record.nodes), silent)
    assert [node.name for node in rest.nodes] == ["demo-home-1", "demo-home-3"]
    assert cloud.done == ["stand back demo-home-2", "stop demo-home-2", "part ['demo-home-2']"]


def test_a_node_that_cannot_leave_its_cluster_is_not_marked(
    cloud: Cloud, region: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    clustered(cloud, monkeypatch)

    def refuse(*_: object) -> None:
        raise Refused("it is the cluster's only server")

    monkeypatch.setattr(leave, "refuse_to_part", refuse)
    before = pool(region)
    with pytest.raises(Refused, match="only server"):
        leave.leave_nodes(region, before, ["demo-home-2"], silent)
    assert (pool(region), cloud.done) == (before, [])
