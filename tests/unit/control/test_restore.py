"""A cluster that lost its server goes back to its backup when a person says so, and its agents follow."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from du_infra.control.cluster import act_restore, restore, vault
from du_infra.control.cluster.loop import part, refuse_to_part, settle
from du_infra.control.cluster.status import standing
from du_infra.control.cluster.vault import Kept
from du_infra.control.context import RegionContext
from du_infra.errors import NotReady, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.progress import silent
from tests.unit.control.k3s_world import World, names, pool, region, through_a_kill
from tests.unit.control.test_cluster import roles, up
from tests.unit.control.test_cluster import world as world

ONE, TWO, THREE = names(3)


@pytest.fixture
def home(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegionContext]:
    """Of two nodes the server is lost, there is a backup, and a third node has been made."""
    context = region(tmp_path, world)
    monkeypatch.setattr(act_restore.backup, "verify", lambda _, one, __: one)
    up(context, world, 2)
    back_up(context, world)
    world.hosts[ONE].status = "gone"
    yield context


def agreed(context: RegionContext, **more: Any) -> RegionContext:
    """The same with a person's word."""
    made = replace(context, may_restore=True, **more)
    made.__dict__["provider"] = context.provider
    return made


def back_up(context: RegionContext, world: World) -> None:
    vault.folder_of(context).mkdir(parents=True)
    vault.archive_of(context, "b").write_text("x")
    vault.note(context, Kept("b", ONE, world.version, "sqlite", time.time(), "", 1))
    world.saved = copy.deepcopy((world.nodes, world.passwords))


def after(context: RegionContext, world: World) -> PoolRecord:
    """The pool once another node has been made in the lost one's place."""
    record = pool(context, world, 2, first=2)
    world.done.clear()
    return record


def test_without_a_person_s_word_nothing_is_done_and_the_command_is_named(home: RegionContext, world: World) -> None:
    record = after(home, world)
    with pytest.raises(Refused, match="every server is lost: back to the backup of") as caught:
        settle(home, record, silent)
    assert "region restore home" in caught.value.todo
    assert world.done == []
    assert any("a person has to agree" in words for words in standing(home, record).why)


def test_the_new_node_is_the_server_the_agent_follows_it_and_the_lost_one_is_forgotten(
    home: RegionContext, world: World
) -> None:
    record = after(home, world)
    settle(agreed(home), record, silent)
    assert world.done[:4] == [
        f"restore {THREE} from b.tar.gz",
        f"join {TWO} as agent",
        f"delete node {ONE}",
        f"delete secret {ONE}.node-password.k3s",
    ]
    assert roles(world) == {TWO: "agent", THREE: "server"}
    assert world.hosts[TWO].server == f"https://{world.hosts[THREE].address}:6443"
    assert (world.clusters, sorted(world.nodes)) == (1, [TWO, THREE])
    known = home.store.clusters.known("home")
    assert known
    assert known.servers == (THREE,)
    world.done.clear()
    settle(home, record, silent)
    assert sorted(world.done) == [f"access {TWO}", f"access {THREE}"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(5))
def test_killed_anywhere_it_goes_on(home: RegionContext, world: World, lives: int, late: bool) -> None:
    record, asked = after(home, world), agreed(home)
    through_a_kill(world, lives, lambda: settle(asked, record, silent), late=late)
    assert roles(world) == {TWO: "agent", THREE: "server"}
    assert sorted(world.nodes) == [TWO, THREE]


def test_a_server_that_is_there_and_dead_is_turned_off_before_another_takes_its_place(
    home: RegionContext, world: World
) -> None:
    world.hosts[ONE].status, world.hosts[ONE].answers = "running", False
    pool(home, world, 3)
    world.done.clear()
    nodes = tuple(replace(n, state="replaced") if n.name == ONE else n for n in home.record.nodes)
    record = replace(home.record, nodes=nodes)
    asked = agreed(home, dead=frozenset({ONE}))
    settle(asked, record, silent)
    assert world.done[:2] == [f"halt {ONE}", f"restore {THREE} from b.tar.gz"]
    refuse_to_part(asked, record, [ONE], silent, [ONE])
    part(asked, record, [ONE], silent, [ONE])
    assert sorted(world.nodes) == [TWO, THREE]


def test_what_it_would_do_is_said_first(home: RegionContext, world: World) -> None:
    record = pool(home, world, 2)
    world.hosts[ONE].status = "gone"
    plan = restore.plan_restore(home)
    assert (plan.backup.name, plan.lost, plan.destroyed) == ("b", (ONE,), ())
    world.hosts[ONE].status, world.hosts[ONE].answers = "running", False
    assert restore.plan_restore(home).destroyed == (ONE,)
    world.hosts[ONE].answers = True
    with pytest.raises(Refused, match="the cluster's API answers"):
        restore.plan_restore(home)
    assert record.nodes


def test_without_a_backup_it_is_refused(home: RegionContext, world: World) -> None:
    vault.archive_of(home, "b").unlink()
    with pytest.raises(Refused, match="has no backup on this machine"):
        restore.plan_restore(home)
    with pytest.raises(NotReady, match="there is no backup"):
        settle(agreed(home), after(home, world), silent)
