"""etcd has lost its majority for good, or all of it: a person agrees, and the cluster goes on with what is left."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control.cluster import restore
from du_infra.control.cluster.loop import part, revive, settle
from du_infra.control.cluster.restore import plan_restore, region_restore
from du_infra.control.cluster.vault import Kept
from du_infra.control.context import RegionContext
from du_infra.errors import Refused
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Reporter, silent
from tests.unit.control.k3s_world import Killed, World, names, region
from tests.unit.control.test_cluster import roles
from tests.unit.control.test_cluster import world as world
from tests.unit.control.test_cluster_etcd import SERVERS
from tests.unit.control.test_cluster_etcd import backups as backups
from tests.unit.control.test_cluster_etcd import up as up

ONE, TWO, THREE, FOUR, FIVE, SIX = names(6)


@pytest.fixture
def home(tmp_path: Path, world: World, backups: list[Kept], monkeypatch: pytest.MonkeyPatch) -> Iterator[RegionContext]:
    """Three servers; ``region restore`` waits for nobody, and makes nodes where ``bring_up`` would."""
    context = region(tmp_path, world, SERVERS)
    monkeypatch.setattr(restore, "time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr(restore, "locked", lambda *_: nullcontext())
    monkeypatch.setattr("du_infra.control.context.provider_for", lambda *_: world)
    monkeypatch.setattr(restore, "bring_up", lambda asked, report, live: bring_up(asked, world, report))
    monkeypatch.setattr("du_infra.control.cluster.act_restore.backup.verify", lambda _, one, __: one)
    up(context, world, 3)
    yield context


def bring_up(context: RegionContext, world: World, report: Reporter) -> PoolRecord:
    """What of ``region up`` concerns the cluster: three nodes that stay, which form it, and the others leave it."""
    record = context.record.without([n.name for n in context.record.nodes if world.hosts[n.name].status == "gone"])
    missing = 3 - len(record.staying)
    if missing > 0:
        numbers = range(record.counter + 1, record.counter + 1 + missing)
        for number in numbers:
            world.machine(f"demo-home-{number}", number + 1)
        fresh = [Node(f"demo-home-{n}", "1c1g", world.hosts[f"demo-home-{n}"].address, joined=True) for n in numbers]
        record = replace(record, nodes=(*record.nodes, *fresh), counter=numbers[-1])
        context.store.save_pool(context.name, record)
    settle(context, record, report)
    if record.going:
        gone = [name for name in record.going if world.hosts[name].status != "running" or not world.hosts[name].answers]
        part(context, record, record.going, report, gone)
        record = record.without(record.going)
        context.store.save_pool(context.name, record)
    return record


def lose(world: World, *lost: str, status: str = "stopped") -> None:
    for name in lost:
        world.hosts[name].status = status


def agreed(context: RegionContext, *dead: str) -> RegionContext:
    made = replace(context, may_restore=True, dead=frozenset(dead))
    made.__dict__.update({key: context.__dict__[key] for key in ("provider", "store")})
    return made


def back_up(world: World, made: list[Kept]) -> None:
    made.insert(0, Kept("b", ONE, "", "etcd", 1e12, "", 0, verified=True))
    world.saved = copy.deepcopy((world.nodes, world.passwords))


def restored(context: RegionContext, world: World, *, from_backup: bool = False) -> None:
    """The command again and again, until it or, once the API answers, ``region up`` has come to its end."""
    for _ in range(3):
        try:
            region_restore(context, silent, from_backup=from_backup)
        except Killed:
            world.lives = 999
        except Refused as refused:
            assert "the cluster's API answers" in str(refused)
            bring_up(context, world, silent)
            return
        else:
            return


@pytest.mark.parametrize("status", ["stopped", "gone", "silent"])
def test_the_one_of_three_that_is_left_goes_on_and_two_new_ones_join_it(
    home: RegionContext, world: World, status: str
) -> None:
    if status == "silent":
        world.hosts[TWO].answers = world.hosts[THREE].answers = False
        world.hosts[TWO].service = world.hosts[THREE].service = "stopped"
    else:
        lose(world, TWO, THREE, status=status)
    region_restore(home, silent)
    steps = [words for words in world.done if "access" not in words]
    expected = [f"halt {TWO}", f"halt {THREE}"] if status == "silent" else []
    assert steps[: len(expected) + 1] == [*expected, f"reset {ONE}"]
    assert roles(world) == dict.fromkeys((ONE, FOUR, FIVE), "server")
    assert set(world.etcd) == {ONE, FOUR, FIVE} == set(world.nodes) == set(world.passwords)
    assert (world.clusters, world.revived) == (1, [ONE])
    known = home.store.clusters.known("home")
    assert known and known.servers == (ONE, FOUR, FIVE)


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(16))
def test_a_reset_that_is_killed_anywhere_goes_on(home: RegionContext, world: World, lives: int, late: bool) -> None:
    world.hosts[TWO].answers = False
    world.hosts[TWO].service = "stopped"
    lose(world, THREE, status="gone")
    world.lives, world.late = lives, late
    restored(home, world)
    assert roles(world) == dict.fromkeys((ONE, FOUR, FIVE), "server")
    assert set(world.etcd) == {ONE, FOUR, FIVE} == set(world.nodes)
    assert world.clusters == 1
    assert not any(row["cordoned"] for row in world.nodes.values())


def test_a_start_that_takes_its_time_is_waited_for(home: RegionContext, world: World) -> None:
    lose(world, TWO, THREE)
    world.hosts[ONE].slow = 5
    revive(agreed(home, TWO, THREE), home.record, silent)
    assert world.api()


def test_only_the_api_is_brought_back_before_new_machines_are_made(tmp_path: Path, world: World) -> None:
    home = region(tmp_path, world, SERVERS)
    record = up(home, world, 5)
    world.slept += 60
    lose(world, TWO, THREE)
    nodes = tuple(replace(n, state="replaced") if n.name in (TWO, THREE) else n for n in record.nodes)
    revive(agreed(home, TWO, THREE), replace(record, nodes=nodes), silent)
    assert world.done[0] == f"reset {ONE}"
    assert {words.split()[1] for words in world.done[1:]} == {FOUR, FIVE}, "the agents, which must begin to listen anew"
    assert roles(world) == {ONE: "server", FOUR: "agent", FIVE: "agent"}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(14))
def test_every_server_lost_goes_back_to_the_backup_and_two_more_join(
    home: RegionContext, world: World, backups: list[Kept], lives: int, late: bool
) -> None:
    back_up(world, backups)
    lose(world, ONE, TWO, status="gone")
    lose(world, THREE)
    world.lives, world.late = lives, late
    restored(home, world)
    assert next(words for words in world.done if "access" not in words) == f"restore {FOUR} from b.tar.gz"
    assert roles(world) == dict.fromkeys((FOUR, FIVE, SIX), "server")
    assert set(world.etcd) == {FOUR, FIVE, SIX} == set(world.nodes) == set(world.passwords)
    assert world.clusters == 1


def test_without_a_persons_word_nothing_is_done_and_the_command_is_named(home: RegionContext, world: World) -> None:
    lose(world, TWO, THREE)
    dead = replace(agreed(home, TWO, THREE), may_restore=False)
    dead.__dict__.update({key: home.__dict__[key] for key in ("provider", "store")})
    with pytest.raises(Refused, match="goes on alone with what it has; a person has to agree") as caught:
        settle(dead, home.record, silent)
    assert "region restore home" in caught.value.todo
    assert world.done == []


def test_what_it_would_do_is_said_first(home: RegionContext, world: World, backups: list[Kept]) -> None:
    lose(world, THREE, status="gone")
    world.hosts[TWO].answers, world.hosts[TWO].service = False, "stopped"
    plan = plan_restore(home)
    assert (plan.survivor, plan.lost, plan.destroyed) == (ONE, (TWO, THREE), (TWO,))
    with pytest.raises(Refused, match="has no backup on this machine"):
        plan_restore(home, from_backup=True)
    back_up(world, backups)
    plan = plan_restore(home, from_backup=True)
    assert (plan.survivor, plan.lost, plan.destroyed) == ("", (ONE, TWO, THREE), (ONE, TWO))


def test_where_a_majority_is_there_it_is_refused_unless_the_backup_is_asked_for(
    home: RegionContext, world: World, backups: list[Kept]
) -> None:
    lose(world, THREE)
    world.hosts[TWO].service = "failed"
    with pytest.raises(Refused, match=f"{ONE} and {TWO} are there, and enough for etcd's majority") as caught:
        plan_restore(home)
    assert "--from-backup" in caught.value.todo
    back_up(world, backups)
    restored(home, world, from_backup=True)
    assert {f"halt {ONE}", f"halt {TWO}"} <= {*world.done}
    assert roles(world) == dict.fromkeys((FOUR, FIVE, SIX), "server")


def test_one_that_does_not_answer_once_is_not_lost(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, THREE)
    world.hosts[TWO].answers, world.hosts[TWO].service = False, "stopped"

    def comes_back(_: float) -> None:
        world.hosts[TWO].answers, world.hosts[TWO].service = True, "running"

    monkeypatch.setattr(restore, "time", SimpleNamespace(sleep=comes_back))
    with pytest.raises(Refused, match="the cluster's API answers"):
        plan_restore(home)
