"""A cluster on K3s's embedded etcd: three servers, one lost, one more or less, and whoever is killed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.cluster.state import EtcdMember, Member, Observed
from du_infra.control.cluster import backup, vault
from du_infra.control.cluster.loop import part, refuse_to_part, settle
from du_infra.control.cluster.vault import Kept
from du_infra.control.cluster.votes import keepers, migration_of, votes
from du_infra.control.context import RegionContext
from du_infra.errors import DuError, NotReady, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, silent
from du_infra.store.clusters import Cluster
from tests.unit.control.k3s_world import Killed, World, names, pool, region
from tests.unit.control.test_cluster import _dead, roles
from tests.unit.control.test_cluster import world as world

ONE, TWO, THREE, FOUR = names(4)
SERVERS = ", k3s: {servers: 3}"


@pytest.fixture(autouse=True)
def backups(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Kept]]:
    """Backups that cost nothing: how they are made is test_backup's matter."""
    made: list[Kept] = []

    def take(context: RegionContext, server: object, *_: object) -> None:
        world.step(f"backup {getattr(server, 'name', '')}")
        made.insert(0, Kept("b", ONE, "", "sqlite", 1e12, "", 0))
        world.backups += 1
        world.end()

    def verify(_: RegionContext, one: Kept, __: object) -> None:
        made[0] = replace(one, verified=True)

    monkeypatch.setattr(backup, "take", take)
    monkeypatch.setattr(backup, "verify", verify)
    monkeypatch.setattr(backup, "tidy", lambda _: ())
    monkeypatch.setattr(vault, "kept", lambda _: list(made))
    yield made


@pytest.fixture
def home(tmp_path: Path, world: World) -> RegionContext:
    return region(tmp_path, world, SERVERS)


def up(context: RegionContext, world: World, count: int) -> PoolRecord:
    record = pool(context, world, count)
    settle(context, record, silent)
    world.done.clear()
    return record


def after_kills(world: World, act: Callable[[], object], lives: int) -> None:
    """Do it with a controller that dies after so many orders, before or after the last is done; then with others."""
    world.lives, world.late = lives // 2, bool(lives % 2)
    for _ in range(3):
        try:
            act()
        except (Killed, DuError):
            world.lives = 999
        else:
            return
    act()


def test_three_servers_begin_on_etcd_and_join_one_after_the_other(home: RegionContext, world: World) -> None:
    settle(home, pool(home, world, 3), silent)
    assert world.done[:3] == [f"join {ONE} as server", f"join {TWO} as server", f"join {THREE} as server"]
    assert roles(world) == dict.fromkeys((ONE, TWO, THREE), "server")
    assert (set(world.etcd), world.clusters) == ({ONE, TWO, THREE}, 1)
    known = home.store.clusters.known("home")
    assert known and (known.servers, known.datastore) == ((ONE, TWO, THREE), "etcd")


def test_a_fourth_node_is_an_agent(home: RegionContext, world: World) -> None:
    settle(home, pool(home, world, 4), silent)
    assert sorted(roles(world).values()) == ["agent", "server", "server", "server"]


@pytest.mark.parametrize("lives", range(14))
def test_one_server_on_sqlite_becomes_three(tmp_path: Path, world: World, lives: int) -> None:
    record = up(region(tmp_path, world), world, 3)
    assert roles(world) == {ONE: "server", TWO: "agent", THREE: "agent"}
    after_kills(world, lambda: settle(region(tmp_path, world, SERVERS), record, silent), lives)
    assert roles(world) == dict.fromkeys((ONE, TWO, THREE), "server")
    assert (set(world.etcd), world.clusters) == ({ONE, TWO, THREE}, 1)
    assert not any(row["cordoned"] for row in world.nodes.values())
    order = [words.split()[0] for words in world.done if words.split()[0] in ("backup", "migrate")]
    assert order.index("backup") < order.index("migrate")


@pytest.mark.parametrize("lives", range(14))
def test_three_servers_become_one_and_the_others_agents(tmp_path: Path, world: World, lives: int) -> None:
    record = up(region(tmp_path, world, SERVERS), world, 3)
    after_kills(world, lambda: settle(region(tmp_path, world), record, silent), lives)
    assert sorted(roles(world).values()) == ["agent", "agent", "server"]
    assert len(world.etcd) == 1
    assert [name for name, row in world.nodes.items() if row["server"]] == list(world.etcd)
    assert not any(row["cordoned"] for row in world.nodes.values())


def test_agents_that_ran_before_the_data_moved_start_again_first(tmp_path: Path, world: World) -> None:
    record = up(region(tmp_path, world), world, 3)
    world.slept += 60
    settle(region(tmp_path, world, SERVERS), record, silent)
    moved, drained = world.done.index(f"migrate {ONE}"), world.done.index(f"drain {TWO}")
    assert {*world.done[moved + 1 : drained]} >= {f"start {TWO}", f"start {THREE}"}
    world.done.clear()
    settle(region(tmp_path, world, SERVERS), record, silent)
    assert not any(words.startswith("start") for words in world.done)


def test_two_of_three_leave(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    refuse_to_part(home, record, [TWO, THREE], silent)
    part(home, record, [TWO, THREE], silent)
    assert set(world.etcd) == {ONE} == set(world.nodes)
    assert world.done[0].startswith("backup")


def test_one_of_three_leaves_and_two_are_not_left_at_that(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    part(home, record, [TWO], silent)
    assert roles(world) == {ONE: "server", THREE: "agent"}
    assert set(world.etcd) == {ONE}


@pytest.mark.parametrize("servers", [1, 3])
def test_a_successor_joins_as_a_server_before_the_old_one_goes(tmp_path: Path, world: World, servers: int) -> None:
    home = region(tmp_path, world, f", k3s: {{servers: {servers}}}")
    record = up(home, world, servers)
    fresh = pool(home, world, 1, first=servers + 1).nodes
    nodes = tuple(replace(n, state="replaced") if n.name == ONE else n for n in record.nodes)
    record = replace(record, nodes=(*nodes, *fresh), counter=servers + 1)
    settle(home, record, silent)
    assert set(roles(world).values()) == {"server"}
    assert len(world.etcd) == servers + 1, "nobody goes before its requests have"
    refuse_to_part(home, record, [ONE], silent)
    part(home, record, [ONE], silent)
    assert (len(world.etcd), ONE in world.nodes) == (servers, False)
    assert not any(words.startswith("leave") and ONE not in words for words in world.done)


@pytest.mark.parametrize("lives", range(8))
def test_a_dead_server_is_followed_by_another(home: RegionContext, world: World, lives: int) -> None:
    record = up(home, world, 3)
    world.hosts[TWO].status = "stopped"
    dead = _dead(home, TWO)
    fresh = pool(home, world, 1, first=4)
    nodes = tuple(replace(n, state="replaced") if n.name == TWO else n for n in (*record.nodes, *fresh.nodes))
    record = replace(record, nodes=nodes, counter=4)
    after_kills(world, lambda: settle(dead, record, silent), lives)
    assert (set(world.etcd), world.clusters) == ({ONE, THREE, FOUR}, 1)
    assert TWO not in world.nodes
    steps = [words for words in world.done if "access" not in words]
    assert steps.index(f"let go {TWO}") < steps.index(f"join {FOUR} as server")


@pytest.mark.parametrize("lives", range(0, 20, 3))
def test_the_only_server_is_followed_by_another_and_leaves(tmp_path: Path, world: World, lives: int) -> None:
    home = region(tmp_path, world)
    record = up(home, world, 2)
    refuse_to_part(home, record, [ONE], silent)
    after_kills(world, lambda: part(home, record, [ONE], silent), lives)
    assert roles(world) == {TWO: "server"}
    assert set(world.etcd) == {TWO} == set(world.nodes)


def test_the_loss_of_two_of_three_asks_a_person(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    for name in (TWO, THREE):
        world.hosts[name].status = "stopped"
    with pytest.raises(Refused, match="too many voters are lost for a majority"):
        settle(_dead(home, TWO, THREE), record, silent)
    assert world.done == []


def test_while_etcd_has_no_majority_nobody_joins(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    for name in (TWO, THREE):
        world.hosts[name].answers, world.hosts[name].service = False, "stopped"
    pool(home, world, 1, first=4)
    with pytest.raises(NotReady, match="the API does not answer"):
        settle(home, record, silent)
    assert world.done == []


def test_a_move_that_failed_is_undone_and_not_tried_again(tmp_path: Path, world: World) -> None:
    record = up(region(tmp_path, world), world, 3)
    world.hosts[ONE].migration, world.hosts[ONE].service = "failed", "disabled"
    told: list[Event] = []
    settle(region(tmp_path, world, SERVERS), record, told.append)
    assert any("failed and was undone" in event.text for event in told if event.kind == "warning")
    assert world.done[0] == f"undo {ONE}"
    assert not any(words.startswith(("migrate", "join")) for words in world.done)
    assert roles(world) == {ONE: "server", TWO: "agent", THREE: "agent"}


def test_a_member_without_a_node_needs_a_persons_hand(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    world.hosts[TWO].status = "gone"
    world.nodes.pop(TWO)
    fresh = pool(home, world, 1, first=4)
    record = replace(record.without([TWO]), counter=4)
    record = replace(record, nodes=(*record.nodes, *fresh.nodes))
    with pytest.raises(Refused, match="K3s takes out a member by its Node alone"):
        settle(home, record, silent)


def test_members_are_known_by_name_or_address_or_from_memory() -> None:
    listed = [
        {"name": ONE, "address": "198.18.1.2", "learner": False},
        {"name": "", "address": "198.18.1.3", "learner": True},
        {"name": "", "address": "198.18.9.9", "learner": True},
    ]
    told = {ONE: {"etcd": {"members": listed, "healthy": True}}, TWO: {"etcd": {"members": None, "healthy": False}}}
    assert votes(told, None, {"198.18.1.3": TWO}) == {ONE: EtcdMember(), TWO: EtcdMember(healthy=False, learner=True)}
    silent_ones = {ONE: {"etcd": {"members": None, "healthy": False}}}
    lost = EtcdMember(healthy=False)
    assert votes(silent_ones, Cluster((ONE, TWO), "etcd"), {}) == {ONE: lost, TWO: lost}
    assert votes({ONE: {}}, Cluster((ONE,), "sqlite"), {}) == {}


def test_who_has_a_vote_is_remembered_ghosts_too() -> None:
    ghost = Member(TWO, machine="gone", etcd=EtcdMember(healthy=False))
    learner = Member(THREE, role="server", etcd=EtcdMember(learner=True))
    members = (Member(ONE, role="server", etcd=EtcdMember()), ghost, learner)
    assert keepers(Observed(members, datastore="etcd")) == [ONE, TWO]
    assert keepers(Observed((Member(ONE, role="server"), Member(TWO, role="agent")), datastore="sqlite")) == [ONE]
    assert migration_of([{}, {"migration": "undone"}]) == "undone"
