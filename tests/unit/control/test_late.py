"""A machine that never answered: marked when it was waited for in vain, heard once more, and then destroyed first."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

import du_infra
from du_infra.control import join, late
from du_infra.control.context import RegionContext
from du_infra.control.join import join_nodes
from du_infra.errors import NotReady
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node, NodeState
from du_infra.progress import silent

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 2, boot_timeout: 10ms}}\nservices: {}\n"
ONE = Node("demo-home-1", "1c1g", "198.18.1.2", joined=True)
TWO = Node("demo-home-2", "1c1g", "198.18.1.3")


@pytest.fixture
def region(tmp_path: Path) -> RegionContext:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return RegionContext(du_infra.load(tmp_path / "fleet.yaml").spec, "home", tmp_path)


@pytest.fixture
def destroyed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the machines that were destroyed."""
    names: list[str] = []

    def destroy(context: RegionContext, record: PoolRecord, doomed: Collection[str], report: object) -> None:
        names.extend(doomed)

    monkeypatch.setattr(late, "destroy_nodes", destroy)
    return names


def pool(region: RegionContext, *nodes: Node) -> PoolRecord:
    record = PoolRecord("198.18.1.1", 2, nodes)
    region.store.save_pool("home", record)
    return record


def states(region: RegionContext) -> dict[str, NodeState]:
    return {node.name: node.state for node in region.store.pool("home").nodes}


def waited_for(node: Node) -> Node:
    return Node(node.name, node.size, node.address, joined=node.joined, state="replaced")


def test_a_machine_that_never_answers_in_time_is_marked_and_a_silent_node_that_joined_is_not(
    region: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "greets", lambda address: False)
    with pytest.raises(NotReady, match=r"no SSH within 0\.01 s") as error:
        join_nodes(region, pool(region, ONE, TWO), silent)
    assert error.value.where == "demo-home-1 (198.18.1.2), demo-home-2 (198.18.1.3)"
    assert "boot_timeout" in error.value.todo
    assert states(region) == {"demo-home-1": "", "demo-home-2": "replaced"}


def test_who_answers_after_all_is_kept_by_region_up_and_not_by_who_asks_for_others(
    region: RegionContext, destroyed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "greets", lambda address: True)
    pool(region, ONE, waited_for(TWO))
    late.dismiss(region, silent, hear=True)
    assert (states(region), destroyed) == ({"demo-home-1": "", "demo-home-2": ""}, [])
    pool(region, ONE, waited_for(TWO))
    late.dismiss(region, silent, hear=False)
    assert (states(region), destroyed) == ({"demo-home-1": ""}, ["demo-home-2"])


def test_who_is_silent_still_is_destroyed_and_a_node_that_served_is_not(
    region: RegionContext, destroyed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late, "greets", lambda address: False)
    pool(region, waited_for(ONE), waited_for(TWO))
    late.dismiss(region, silent, hear=True)
    assert (states(region), destroyed) == ({"demo-home-1": "replaced"}, ["demo-home-2"])
    assert region.store.pool("home").counter == 2
