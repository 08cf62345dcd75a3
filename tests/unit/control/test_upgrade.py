"""Another k3s.version: one node at a time, servers first, a backup before, and again after a kill."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.cluster.state import Observed
from du_infra.control.cluster import act, act_upgrade, backup
from du_infra.control.cluster.backup import verify
from du_infra.control.cluster.loop import settle
from du_infra.control.cluster.status import standing
from du_infra.control.cluster.vault import Kept, archive_of, folder_of, note, verified
from du_infra.control.context import RegionContext
from du_infra.errors import EngineFailed, NotReady
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Reporter, silent
from tests.unit.control.k3s_world import World, names, pool, region, through_a_kill
from tests.unit.control.test_cluster import up
from tests.unit.control.test_cluster import world as world

ONE, TWO, THREE = names(3)
NEW = "v1.35.2+k3s1"


@pytest.fixture
def old(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[PoolRecord]:
    """Two nodes with the version before; fleet.yaml has come to say another."""
    clock = itertools.count()
    monkeypatch.setattr(
        act_upgrade, "time", SimpleNamespace(sleep=lambda _: None, monotonic=lambda: float(next(clock)))
    )

    def take(context: RegionContext, server: Node, observed: Observed, report: Reporter) -> Kept:
        world.step(f"backup {server.name}")
        folder_of(context).mkdir(parents=True, exist_ok=True)
        found = observed.find(server.name)
        version = found.version if found else ""
        made = Kept("b", server.name, version, observed.datastore, backup.time.time(), "", 1)
        archive_of(context, "b").write_text("x")
        note(context, made)
        world.end()
        return made

    def verify(context: RegionContext, one: Kept, report: Reporter) -> Kept:
        world.step(f"read back {one.name}")
        done = verified(context, one)
        world.end()
        return done

    monkeypatch.setattr(act.backup, "take", take)
    monkeypatch.setattr(act.backup, "verify", verify)
    yield up(region(tmp_path, world), world, 2)


def newer(folder: Path, world: World) -> RegionContext:
    return region(folder, world, f", k3s: {{version: {NEW}}}")


def versions(world: World) -> dict[str, str]:
    return {name: host.version for name, host in world.hosts.items() if host.runs}


def test_servers_come_first_and_each_node_is_drained_and_gets_its_pods_back(
    tmp_path: Path, world: World, old: PoolRecord
) -> None:
    settle(newer(tmp_path, world), old, silent)
    once = [f"{verb} {name}" for name in (ONE, TWO) for verb in ("drain", "upgrade", "uncordon")]
    assert world.done[:8] == [f"backup {ONE}", "read back b", *once]
    assert versions(world) == {ONE: NEW, TWO: NEW}
    assert not any(row["cordoned"] for row in world.nodes.values())


def test_where_the_copy_of_the_data_cannot_be_read_back_nothing_is_upgraded(
    tmp_path: Path, world: World, old: PoolRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(act.backup, "verify", verify)
    context = newer(tmp_path, world)
    for _ in range(2):
        with pytest.raises(EngineFailed, match="has changed since it was made"):
            settle(context, old, silent)
    assert [words for words in world.done if not words.startswith("backup")] == []
    assert NEW not in versions(world).values()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("lives", range(8))
def test_killed_anywhere_it_goes_on(tmp_path: Path, world: World, old: PoolRecord, lives: int, late: bool) -> None:
    context = newer(tmp_path, world)
    through_a_kill(world, lives, lambda: settle(context, old, silent), late=late)
    assert versions(world) == {ONE: NEW, TWO: NEW}
    assert not any(row["cordoned"] for row in world.nodes.values())


def test_a_node_that_is_new_and_has_the_new_version_joins_afterwards(
    tmp_path: Path, world: World, old: PoolRecord
) -> None:
    context = newer(tmp_path, world)
    record = pool(context, world, 3)
    world.hosts[THREE].program = NEW
    settle(context, record, silent)
    assert world.done.index(f"join {THREE} as agent") > world.done.index(f"upgrade {ONE}")
    assert versions(world) == dict.fromkeys((ONE, TWO, THREE), NEW)


def test_one_that_does_not_come_up_ends_it_and_the_others_keep_their_version(
    tmp_path: Path, world: World, old: PoolRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = world.order

    def order(node: Node, verb: str, *rest: object) -> None:
        if verb == "upgrade":
            raise NotReady(f"K3s {NEW} does not come up here; v1.34.4+k3s1 is back in its place and runs")
        plain(node, verb, *rest)  # type: ignore[arg-type]

    world.order = order  # type: ignore[method-assign]
    with pytest.raises(NotReady, match="is back in its place"):
        settle(newer(tmp_path, world), old, silent)
    assert versions(world) == {ONE: "v1.34.4+k3s1", TWO: "v1.34.4+k3s1"}


def test_a_node_that_does_not_tell_of_its_version_ends_in_words(
    tmp_path: Path, world: World, old: PoolRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = world._kubectl

    def kubectl(words: list[str], what: str) -> str:
        if words[:2] == ["get", "node"]:
            raise EngineFailed("the API does not answer")
        return plain(words, what)

    monkeypatch.setattr(world, "_kubectl", kubectl)
    with pytest.raises(NotReady, match="its Node tells of nothing after 120 s"):
        settle(newer(tmp_path, world), old, silent)


def test_the_status_says_what_is_to_come(tmp_path: Path, world: World, old: PoolRecord) -> None:
    said = standing(newer(tmp_path, world), old).why
    assert any("backup (a copy of the data before the upgrade to v1.35.2+k3s1)" in words for words in said)


def test_two_minors_at_once_are_refused_in_words(tmp_path: Path, world: World, old: PoolRecord) -> None:
    context = region(tmp_path, world, ", k3s: {version: v1.36.0+k3s1}")
    settle(context, old, silent)
    assert versions(world) == {ONE: "v1.34.4+k3s1", TWO: "v1.34.4+k3s1"}
    assert any("v1.35 comes before v1.36.0+k3s1" in words for words in standing(context, old).why)
