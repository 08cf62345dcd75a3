"""What ``region down`` forgets, and what it leaves to the fleet's other regions. No machine, no provider."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import pytest

import du_infra
from du_infra.control.context import RegionContext
from du_infra.control.down import region_down
from du_infra.engines.lock import exclusive
from du_infra.health.resume import Piece, plan_resume
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent

FLEET = "fleet: demo\nregions:\n  a: {provider: lxd}\n  b: {provider: lxd}\nservices: {}\n"


@pytest.fixture
def region(tmp_path: Path) -> RegionContext:
    """Region a, as if it had been up, on a cloud without a machine."""
    (tmp_path / "fleet.yaml").write_text(FLEET)
    fleet = du_infra.load(tmp_path / "fleet.yaml")
    context = RegionContext(fleet.spec, "a", tmp_path)
    context.store.event("a", "up", "started")
    context.home.mkdir(parents=True)
    return context


@pytest.fixture(autouse=True)
def empty_cloud() -> object:
    empty = SimpleNamespace(connect=lambda: None, machines=list)
    with patch("du_infra.control.context.provider_for", return_value=empty):
        yield


def test_the_last_region_leaves_nothing(region: RegionContext) -> None:
    region_down(region, silent)
    assert [path.name for path in region.folder.iterdir()] == ["fleet.yaml"]


def test_killed_half_way_nothing_of_it_is_healed_or_gone_on_with(region: RegionContext) -> None:
    nodes = tuple(Node(f"demo-a-{n}", "1c1g", f"198.18.1.{n}", joined=True) for n in (1, 2))
    region.store.save_pool("a", PoolRecord("198.18.1.9", 2, nodes))
    (region.home / "terraform").mkdir()
    killed = patch("du_infra.control.down.destroy_machines", side_effect=KeyboardInterrupt)
    with killed, pytest.raises(KeyboardInterrupt):
        region_down(region, silent)
    left = region.store.pool("a").nodes
    assert {node.state for node in left} == {"leaving"}
    plan = plan_resume([Piece(node.name, node.state) for node in left], scaled=None, written=2)
    assert plan.waits == "no node would stay"


def test_a_region_that_comes_up_meanwhile_keeps_the_fleets_store_and_key(region: RegionContext) -> None:
    owner = region.store.owner()
    other = RegionContext(region.fleet, "b", region.folder)
    other.lock.parent.mkdir(parents=True)
    with exclusive(other.lock, what="region b", report=silent, wait=0):
        region_down(region, silent)
        assert not region.home.exists()
        assert other.store.owner() == owner
    region_down(other, silent)
    assert [path.name for path in region.folder.iterdir()] == ["fleet.yaml"]
