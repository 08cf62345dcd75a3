"""A region whose cluster keeps its data in an external datastore: two servers, either of which may go."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.control.cluster import datastore
from du_infra.control.cluster.kubeconfig import kubeconfig
from du_infra.control.cluster.loop import part, refuse_to_part, settle
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.status import standing
from du_infra.control.cluster.token import path_of
from du_infra.control.context import RegionContext
from du_infra.control.heal import _holds_data
from du_infra.control.node.replace import plan_replace
from du_infra.errors import EngineFailed, NotReady, Refused, SpecError
from du_infra.health.heal import Action
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import NodeState
from du_infra.progress import Event, silent
from tests.unit.control.k3s_world import World, names, pool, region, through_a_kill
from tests.unit.control.test_cluster import _dead, roles, up
from tests.unit.control.test_cluster import world as world
from tests.unit.control.test_cluster_commands import FILE

ONE, TWO, THREE = names(3)
PLACE = "198.18.0.9:5432/k3s"
ENDPOINT = f"postgres://k3s:hunter2@{PLACE}"
ANOTHER = f"postgres://k3s:hunter3@{PLACE}"
OF_ENV = ", k3s: {datastore: {env: K3S_DATASTORE}}"


@pytest.fixture
def home(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> RegionContext:
    monkeypatch.setenv("K3S_DATASTORE", ENDPOINT)
    world.login = ENDPOINT
    return region(tmp_path, world, OF_ENV)


def marked(record: PoolRecord, name: str, state: NodeState) -> PoolRecord:
    return replace(record, nodes=tuple(replace(n, state=state) if n.name == name else n for n in record.nodes))


def test_two_nodes_become_two_servers_by_one_token_that_is_kept_for_its_owner_alone(
    home: RegionContext, world: World
) -> None:
    settle(home, pool(home, world, 2), silent)
    assert roles(world) == {ONE: "server", TWO: "server"}
    kept = path_of(home)
    assert {world.hosts[ONE].token, world.hosts[TWO].token} == {kept.read_text().strip()}
    assert len(kept.read_text().strip()) >= 32
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert world.clusters == 1
    known = home.store.clusters.known("home")
    assert known and (known.servers, known.datastore) == ((ONE, TWO), "external")
    assert standing(home, home.store.pool("home")).survives.startswith("two servers on an external datastore")


def test_du_node_knows_the_other_servers(home: RegionContext, world: World) -> None:
    settle(home, pool(home, world, 3), silent)
    assert roles(world) == {ONE: "server", TWO: "server", THREE: "agent"}
    others = {name: host.access["others"] for name, host in world.hosts.items() if host.access}
    first, second = world.hosts[ONE].address, world.hosts[TWO].address
    assert others == {ONE: [second], TWO: [first], THREE: [first, second]}


def test_a_second_server_joins_a_first_one_later(home: RegionContext, world: World) -> None:
    up(home, world, 1)
    settle(home, pool(home, world, 2), silent)
    assert roles(world) == {ONE: "server", TWO: "server"}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(7))
def test_killed_anywhere_it_comes_up_and_is_begun_once(
    home: RegionContext, world: World, lives: int, late: bool
) -> None:
    record = pool(home, world, 2)
    through_a_kill(world, lives, lambda: settle(home, record, silent), late=late)
    assert roles(world) == {ONE: "server", TWO: "server"}
    assert world.clusters == 1


@pytest.mark.parametrize("machine", ["running", "stopped", "gone"])
@pytest.mark.parametrize("lives", [0, 1, 2, 3, 4, 999])
def test_a_dead_server_is_replaced_though_the_controller_is_killed_on_the_way(
    home: RegionContext, world: World, machine: str, lives: int
) -> None:
    up(home, world, 2)
    world.hosts[ONE].status, world.hosts[ONE].answers = machine, False
    record = marked(pool(home, world, 3), ONE, "replaced")
    dead = _dead(home, ONE)
    through_a_kill(world, lives, lambda: settle(dead, record, silent))
    assert roles(world) == {TWO: "server", THREE: "server"}
    assert (list(world.nodes), list(world.passwords)) == ([TWO, THREE], [TWO, THREE])


def test_one_that_does_not_answer_and_is_replaced_by_hand_is_waited_for_by_nobody(
    home: RegionContext, world: World
) -> None:
    up(home, world, 2)
    world.hosts[ONE].answers = False
    record = marked(pool(home, world, 3), ONE, "replaced")
    settle(home, record, silent)
    assert roles(world)[THREE] == "server"
    part(home, record, [ONE], silent, [ONE])
    assert world.hosts[ONE].status == "stopped"
    assert list(world.nodes) == [TWO, THREE]


def test_a_server_that_is_well_goes_when_another_has_taken_its_place(home: RegionContext, world: World) -> None:
    up(home, world, 2)
    record = marked(pool(home, world, 3), ONE, "replaced")
    settle(home, record, silent)
    assert roles(world) == {ONE: "server", TWO: "server", THREE: "server"}, "before the first one leaves"
    refuse_to_part(home, record, [ONE], silent)
    world.done.clear()
    part(home, record, [ONE], silent)
    assert world.done == [
        f"drain {ONE}",
        f"leave {ONE}",
        f"delete node {ONE}",
        f"delete secret {ONE}.node-password.k3s",
    ]
    assert roles(world) == {TWO: "server", THREE: "server"}


def test_one_of_two_leaves_and_the_other_is_the_only_one(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    refuse_to_part(home, record, [ONE], silent)
    part(home, record, [ONE], silent)
    assert roles(world) == {TWO: "server"}
    settle(home, record.without([ONE]), silent)
    assert "until another has joined" in standing(home, record.without([ONE])).survives


def test_the_last_server_does_not_leave(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[TWO].service = "disabled"
    with pytest.raises(Refused, match="stays until another server has taken its place"):
        refuse_to_part(_dead(home, TWO), record, [ONE], silent)


def test_every_server_lost_another_one_finds_the_cluster_by_the_kept_token(home: RegionContext, world: World) -> None:
    up(home, world, 2)
    for name in (ONE, TWO):
        world.hosts[name].status = "gone"
    settle(home, pool(home, world, 1, first=3), silent)
    assert roles(world) == {THREE: "server"}
    assert list(world.nodes) == [THREE]
    assert world.clusters == 1


def test_a_token_that_is_not_kept_comes_from_a_server_that_lives(home: RegionContext, world: World) -> None:
    record = up(home, world, 1)
    path_of(home).unlink()
    settle(home, record, silent)
    assert path_of(home).read_text().strip() == world.secret
    path_of(home).unlink()
    world.hosts[ONE].status = "gone"
    with pytest.raises(Refused, match="the cluster's token is nowhere"):
        settle(home, pool(home, world, 1, first=2), silent)


def test_a_new_password_is_put_into_use_one_server_after_the_other(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = up(home, world, 3)
    monkeypatch.setenv("K3S_DATASTORE", ANOTHER)
    world.login = ANOTHER
    for name in (ONE, TWO):
        world.hosts[name].service = "starting"
    told: list[Event] = []
    settle(home, record, told.append)
    assert world.done[:2] == [f"datastore {ONE}", f"datastore {TWO}"]
    assert {world.hosts[name].datastore for name in (ONE, TWO)} == {ANOTHER}
    assert roles(world) == {ONE: "server", TWO: "server", THREE: "agent"}
    assert "hunter" not in str(told)


def test_another_database_is_refused(home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    record = up(home, world, 2)
    monkeypatch.setenv("K3S_DATASTORE", "postgres://k3s:hunter2@elsewhere/k3s")
    with pytest.raises(EngineFailed, match="does not move along"):
        settle(home, record, silent)
    assert roles(world) == {ONE: "server", TWO: "server"}


def test_a_database_with_the_data_of_another_cluster_is_refused(home: RegionContext, world: World) -> None:
    world.clusters, world.secret = 1, "of another cluster"
    with pytest.raises(EngineFailed, match="another token"):
        settle(home, pool(home, world, 2), silent)
    assert roles(world) == {}


def test_a_cluster_does_not_move_into_an_external_datastore_nor_out_of_one(
    tmp_path: Path, home: RegionContext, world: World
) -> None:
    up(home, world, 2)
    datastore.check(home)
    with pytest.raises(Refused, match="in an external datastore, and does not move to its servers' own disks"):
        datastore.check(region(tmp_path, world))
    home.store.clusters.note("home", [ONE], "sqlite")
    with pytest.raises(Refused, match="in sqlite, and does not move to an external datastore"):
        datastore.check(home)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not set"),
        ("198.18.0.9", "must begin with postgres://, mysql://"),
        ("sqlite:///k3s.db", "must begin with"),
        ("nats://k3s:hunter2@nats:4222", "must begin with"),
        ("postgres://k3s:hunter 2@db/k3s", "have no spaces"),
        ("postgres://k3s:hun?ter2@db/k3s", "%3F"),
        ("postgres://k3s:hunter2@localhost/k3s", "each server's own machine"),
        ("mysql://k3s:hunter2@tcp(127.0.0.1:3306)/k3s", "each server's own machine"),
        ("https://198.18.0.9:2379,https://localhost:2379", "each server's own machine"),
    ],
)
def test_an_address_that_is_none_is_told_of_and_never_shown(
    home: RegionContext, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.delenv("K3S_DATASTORE")
    if text:
        monkeypatch.setenv("K3S_DATASTORE", text)
    with pytest.raises(SpecError, match=words) as caught:
        datastore.check(home)
    assert caught.value.where == "regions.home.k3s.datastore"
    assert "hun" not in str(caught.value.__dict__)


@pytest.mark.parametrize(
    "text",
    [
        ENDPOINT,
        "postgresql://k3s:p%40ss@db.internal/k3s?sslmode=verify-full",
        "mysql://k3s:p(ss@tcp(db:3306)/k3s",
        "https://198.18.0.9:2379,https://198.18.0.10:2379",
    ],
)
def test_addresses_of_all_kinds_are_taken_as_they_are(tmp_path: Path, world: World, text: str) -> None:
    file = tmp_path / "datastore"
    file.write_text(text + "\n")
    file.chmod(0o600)
    context = region(tmp_path, world, ", k3s: {datastore: {file: datastore}}")
    assert datastore.endpoint(context) == text
    file.chmod(0o644)
    with pytest.raises(Refused, match="other users may read"):
        datastore.endpoint(context)


def test_the_order_to_replace_a_server_is_taken_and_healing_does_it_too(home: RegionContext, world: World) -> None:
    up(home, world, 2)
    assert not _holds_data(home, Action("replace", ONE, "dead"), silent)
    with pytest.raises(Exception, match="network"):  # beyond this test's world: the order was not refused
        plan_replace(home, ONE)


def test_the_kubeconfig_is_that_of_a_server_that_lives(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(home, world, 2)
    monkeypatch.setattr(Nodes, "read", lambda *_: FILE)
    assert world.hosts[ONE].address in kubeconfig(home)
    world.hosts[ONE].service = "failed"
    assert f"https://{world.hosts[TWO].address}:6443" in kubeconfig(home)


def test_a_server_that_the_datastore_does_not_let_in_is_waited_for_and_then_told_of(
    home: RegionContext, world: World
) -> None:
    record = up(home, world, 1)
    world.login = ANOTHER
    world.hosts[ONE].service = "starting"
    with pytest.raises(NotReady, match=f"waiting for {ONE}") as caught:
        settle(home, record, silent)
    assert "does not let K3s in" in caught.value.detail
