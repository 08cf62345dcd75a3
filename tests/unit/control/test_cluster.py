"""A region's cluster becomes what its pool is, step by step, whoever is killed on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from du_infra.control.cluster import access, loop, observe
from du_infra.control.cluster.access import credentials
from du_infra.control.cluster.loop import part, refuse_to_part, settle
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.context import RegionContext
from du_infra.errors import EngineFailed, NotReady, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, silent
from tests.unit.control.k3s_world import World, names, pool, region, through_a_kill

ONE, TWO, THREE = names(3)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World()
    monkeypatch.setattr(Nodes, "state", lambda _, *a, **k: made.state(*a, **k))
    monkeypatch.setattr(Nodes, "order", lambda _, *a, **k: made.order(*a, **k))
    monkeypatch.setattr(Nodes, "read", lambda _, *a, **k: made.read(*a, **k))
    monkeypatch.setattr(Nodes, "k3s", lambda _, *a, **k: made.k3s(*a, **k))
    clock = {"now": 0.0}

    def sleep(seconds: float) -> None:
        clock["now"] += seconds
        made.sleep(seconds)

    for module in (loop, access):
        monkeypatch.setattr(module, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: clock["now"]))
    return made


@pytest.fixture
def home(tmp_path: Path, world: World) -> RegionContext:
    return region(tmp_path, world)


def up(context: RegionContext, world: World, count: int) -> PoolRecord:
    record = pool(context, world, count)
    settle(context, record, silent)
    world.done.clear()
    return record


def roles(world: World) -> dict[str, str]:
    return {name: host.role for name, host in world.hosts.items() if host.runs}


def test_one_node_becomes_the_server_of_a_cluster(home: RegionContext, world: World) -> None:
    settle(home, pool(home, world, 1), silent)
    assert world.done == [f"join {ONE} as server", f"access {ONE}"]
    assert roles(world) == {ONE: "server"}
    assert world.hosts[ONE].access == {"ca": "the authority", "token": "the token", "others": []}
    known = home.store.clusters.known("home")
    assert known and (known.servers, known.datastore) == ((ONE,), "sqlite")


def test_the_others_join_with_a_token_for_each_and_never_the_servers(home: RegionContext, world: World) -> None:
    settle(home, pool(home, world, 3), silent)
    assert roles(world) == {ONE: "server", TWO: "agent", THREE: "agent"}
    assert len({world.hosts[TWO].token, world.hosts[THREE].token}) == 2
    assert world.clusters == 1


def test_where_all_is_well_only_the_credentials_are_given_again(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    settle(home, record, silent)
    assert sorted(world.done) == [f"access {ONE}", f"access {TWO}"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(7))
def test_killed_anywhere_a_region_comes_up_and_is_begun_once(
    home: RegionContext, world: World, lives: int, late: bool
) -> None:
    record = pool(home, world, 3)
    through_a_kill(world, lives, lambda: settle(home, record, silent), late=late)
    assert roles(world) == {ONE: "server", TWO: "agent", THREE: "agent"}
    assert all(host.access for host in world.hosts.values())
    assert world.clusters == 1


def test_a_node_leaves_in_the_order_that_brings_nobody_back(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    part(home, record, [TWO], silent)
    assert world.done == [
        f"drain {TWO}",
        f"leave {TWO}",
        f"delete node {TWO}",
        f"delete secret {TWO}.node-password.k3s",
    ]
    assert (list(world.nodes), list(world.passwords)) == ([ONE], [ONE])
    assert world.hosts[TWO].status == "running", "the machine is the pool's to destroy"
    world.done.clear()
    part(home, record, [TWO], silent)
    assert world.done == []


def test_who_leaves_does_not_wait_for_what_else_is_to_be_done(tmp_path: Path, world: World) -> None:
    context = region(tmp_path, world)
    record = up(context, world, 2)
    context = region(tmp_path, world, ", k3s: {version: v1.35.0+k3s1}")
    refuse_to_part(context, record, [TWO], silent)
    part(context, record, [TWO], silent)
    assert list(world.nodes) == [ONE]
    assert not any("upgrade" in words for words in world.done)


def test_two_leave_one_after_the_other(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    part(home, record, [TWO, THREE], silent)
    assert list(world.nodes) == [ONE]
    assert [words.partition(" ")[2] for words in world.done[:3]] == [TWO, TWO, f"node {TWO}"]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(4))
def test_killed_anywhere_a_node_has_left_in_the_end(home: RegionContext, world: World, lives: int, late: bool) -> None:
    record = up(home, world, 3)
    through_a_kill(world, lives, lambda: part(home, record, [THREE], silent), late=late)
    assert list(world.nodes) == [ONE, TWO]
    assert list(world.passwords) == [ONE, TWO]


def test_who_has_left_and_is_still_recorded_is_not_started_again(home: RegionContext, world: World) -> None:
    """A hook's `node leave`: the machine stays until Terraform destroys it."""
    record = up(home, world, 2)
    part(home, record, [TWO], silent)
    world.done.clear()
    left = replace(record, nodes=tuple(replace(n, state="leaving") if n.name == TWO else n for n in record.nodes))
    settle(home, left, silent)
    assert world.done == [f"access {ONE}"]


def test_who_was_only_drained_is_not_let_have_pods_again_while_it_is_on_its_way_out(
    home: RegionContext, world: World
) -> None:
    record = up(home, world, 2)
    world.nodes[TWO] |= {"cordoned": True, "marked": True}
    going = replace(record, nodes=tuple(replace(n, state="leaving") if n.name == TWO else n for n in record.nodes))
    settle(home, going, silent)
    assert world.nodes[TWO]["cordoned"]
    settle(home, record, silent)
    assert not world.nodes[TWO]["cordoned"]
    assert not world.nodes[TWO]["marked"]


def test_who_left_and_is_taken_back_joins_again(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    part(home, record, [TWO], silent)
    settle(home, record, silent)
    assert roles(world) == {ONE: "server", TWO: "agent"}
    assert TWO in world.nodes


def test_what_a_person_cordoned_stays_cordoned(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.nodes[TWO]["cordoned"] = True
    settle(home, record, silent)
    assert world.nodes[TWO]["cordoned"]


def test_a_refused_drain_stops_the_leaving(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.stuck = {TWO}
    with pytest.raises(EngineFailed, match=f"{TWO} could not be drained"):
        part(home, record, [TWO], silent)
    assert roles(world) == {ONE: "server", TWO: "agent"}
    assert TWO in world.nodes


def test_a_node_that_does_not_answer_is_turned_off_before_it_is_forgotten(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[TWO].answers = False
    part(home, record, [TWO], silent, [TWO])
    assert world.done[:2] == [f"halt {TWO}", f"delete node {TWO}"]
    assert list(world.passwords) == [ONE]


def test_a_node_that_answered_just_now_is_not_turned_off(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[TWO].answers = False
    with pytest.raises(NotReady, match="it leaves once it does, or is known to be dead"):
        part(home, record, [TWO], silent)
    assert world.done == []


def test_a_dead_node_that_is_replaced_is_forgotten_and_its_successor_joins(home: RegionContext, world: World) -> None:
    before = up(home, world, 2)
    world.hosts[TWO].answers = False
    record = pool(home, world, 3)
    nodes = tuple(replace(n, state="replaced") if n.name == TWO else n for n in record.nodes)
    settle(_dead(home, TWO), replace(record, nodes=nodes), silent)
    assert roles(world) == {ONE: "server", THREE: "agent"}
    assert list(world.nodes) == [ONE, THREE]
    assert before.nodes[1].name == TWO


def _dead(context: RegionContext, *names: str) -> RegionContext:
    made = replace(context, dead=frozenset(names))
    made.__dict__.update({key: context.__dict__[key] for key in ("provider", "store")})
    return made


def test_a_dead_node_that_stays_for_now_is_told_of_and_nothing_is_done_to_it(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[TWO].answers = False
    told: list[Event] = []
    settle(_dead(home, TWO), record, told.append)
    assert world.done == [f"access {ONE}"]
    assert [e.text for e in told if e.kind == "warning" and TWO in e.text and "is lost" in e.text]


def test_the_only_node_does_not_leave(home: RegionContext, world: World) -> None:
    record = up(home, world, 1)
    with pytest.raises(Refused, match="the last server is never taken away here"):
        refuse_to_part(home, record, [ONE], silent)
    assert world.done == []


def test_a_region_that_lost_its_server_is_not_begun_again(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[ONE].status = "gone"
    with pytest.raises(NotReady, match="every server is lost and there is no backup"):
        settle(home, record.without([ONE]), silent)
    assert world.done == []
    assert world.clusters == 1


def test_a_server_that_starts_is_waited_for(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[ONE].service, world.hosts[ONE].slow = "starting", 5
    settle(home, record, silent)
    assert sorted(world.done) == [f"access {ONE}", f"access {TWO}"]
    assert world.slept >= 8


def test_a_server_that_does_not_come_is_told_of_in_its_own_words(home: RegionContext, world: World) -> None:
    record = up(home, world, 1)
    world.hosts[ONE].service, world.hosts[ONE].slow, world.hosts[ONE].why = "starting", None, "disk I/O error"
    with pytest.raises(NotReady, match=f"waiting for {ONE}") as caught:
        settle(home, record, silent)
    assert "disk I/O error" in caught.value.detail


def test_what_stopped_is_started(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.hosts[ONE].service = world.hosts[TWO].service = "stopped"
    settle(home, record, silent)
    assert world.done[:2] == [f"start {ONE}", f"start {TWO}"]


def test_another_machine_by_a_used_name_is_refused_in_words_and_not_tried(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.machine(TWO, 9)  # made anew behind our back
    with pytest.raises(NotReady, match="a name that another machine had: K3s would refuse its node password"):
        settle(home, record, silent)
    assert world.done == []


def test_ghosts_of_ours_go_and_what_others_joined_stays(home: RegionContext, world: World) -> None:
    record = up(home, world, 1)
    for name in ("demo-home-7", "somebody-elses"):
        world.nodes[name] = {"cordoned": False, "marked": False, "server": False}
        world.passwords[name] = "x"
    settle(home, record, silent)
    assert list(world.nodes) == [ONE, "somebody-elses"]
    assert list(world.passwords) == [ONE, "somebody-elses"]


def test_a_node_that_lost_its_node_registers_again_but_not_while_it_comes_up(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = up(home, world, 2)
    del world.nodes[TWO]
    monkeypatch.setattr(observe, "SETTLES_SECONDS", 0.0)
    settle(home, record, silent)
    assert world.done[0] == f"start {TWO}"
    assert TWO in world.nodes


def test_what_started_before_its_files_changed_starts_again_servers_first(home: RegionContext, world: World) -> None:
    record = up(home, world, 3)
    for name in (ONE, THREE):
        world.hosts[name].stale = ("/etc/rancher/k3s/registries.yaml",)
    told: list[Event] = []
    settle(home, record, told.append)
    assert world.done[:2] == [f"start {ONE}", f"start {THREE}"]
    assert any("changed since it started: /etc/rancher/k3s/registries.yaml" in event.text for event in told)
    world.done.clear()
    settle(home, record, silent)
    assert not any("start" in words for words in world.done)


def test_files_that_never_settle_end_in_words(home: RegionContext, world: World) -> None:
    record = up(home, world, 1)
    plain: Any = world.state
    world.state = lambda node: {**plain(node), "stale": ["/etc/default/k3s"]}  # type: ignore[method-assign]
    with pytest.raises(NotReady, match="restart was done 5 times"):
        settle(home, record, silent)


def test_nothing_is_begun_by_who_leaves(home: RegionContext, world: World) -> None:
    record = pool(home, world, 2)
    part(home, record, [TWO], silent)
    refuse_to_part(home, record, [ONE], silent)
    assert world.done == []


def test_down_forgets_the_cluster(home: RegionContext, world: World) -> None:
    up(home, world, 1)
    home.store.forget("home")
    assert home.store.clusters.known("home") is None


@pytest.mark.parametrize("text", ["", "{}", '{"data": {}}', '{"data": {"token": "!", "ca.crt": ""}}', "[1]"])
def test_a_secret_that_is_not_filled_yet_is_waited_for(text: str) -> None:
    assert credentials(text) is None


def test_credentials_that_are_never_made_are_told_of(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain: Any = world._kubectl
    monkeypatch.setattr(world, "_kubectl", lambda words, what: "{}" if words[0] == "get" else plain(words, what))
    with pytest.raises(NotReady, match="has not made the secret du-node-token"):
        settle(home, pool(home, world, 1), silent)
