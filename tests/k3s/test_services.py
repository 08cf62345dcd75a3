"""Services on a region with K3s, under load through its address: one node, two, a release, a drain, a death.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.k3s.region_bed import K3sBed, standing
from tests.region.conftest import lxc

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[K3sBed]:
    with standing(K3sBed(tmp_path_factory.mktemp("fleet")), up=False, hello=True) as made:
        yield made


def vip(bed: K3sBed) -> str:
    return str(bed.region.status().vip)


def copies(bed: K3sBed) -> dict[str, int]:
    """Node → how many copies run there."""
    words = "-n du-infra get pods -l app.kubernetes.io/name=hello --field-selector status.phase=Running"
    where = bed.kubectl(f"{words} -o jsonpath='{{.items[*].spec.nodeName}}'").split()
    return {name: where.count(name) for name in where}


def release_and_go_back(bed: K3sBed) -> None:
    with Load(vip(bed), SHORT) as load:
        bed.must("release", "start", "hello", "v2", "--yes")
        bed.must("release", "rollback", "hello", "--yes")
    print(load.report)
    assert load.report.lost == 0, str(load.report)


def test_one_node_serves_and_its_status_is_ready(bed: K3sBed) -> None:
    bed.must("region", "up", "home")
    assert bed.region.status().ready
    assert "version v1" in bed.get()[1]
    assert copies(bed) == {bed.node(1): 1}


def test_releases_on_one_node_lose_no_request(bed: K3sBed) -> None:
    release_and_go_back(bed)
    assert "version v1" in bed.get()[1]


def test_a_broken_image_never_gets_a_request_and_the_reason_is_told(bed: K3sBed) -> None:
    with Load(vip(bed), SHORT) as load:
        done = bed.run("release", "start", "hello", "never-ready", "--yes", timeout=900)
    assert done.returncode == 6, done.stderr
    assert "did not become ready" in done.stderr
    assert load.report.lost == 0, str(load.report)


def test_a_second_node_joins_and_serves_and_no_request_is_lost(bed: K3sBed) -> None:
    with Load(vip(bed), SHORT) as load:
        bed.must("region", "scale", "home", "2", "--yes")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    assert copies(bed) == {bed.node(1): 1, bed.node(2): 1}
    assert bed.region.status().ready


def test_releases_on_two_nodes_lose_no_request(bed: K3sBed) -> None:
    release_and_go_back(bed)


def test_a_drain_loses_no_request(bed: K3sBed) -> None:
    with Load(vip(bed), SHORT) as load:
        for number in (2, 1):
            bed.must("node", "drain", bed.node(number), "--yes")
            bed.must("node", "undrain", bed.node(number))
    print(load.report)
    assert load.report.lost == 0, str(load.report)


def test_when_the_server_is_lost_the_agent_goes_on_serving(bed: K3sBed) -> None:
    with Load(vip(bed), SHORT) as load:
        time.sleep(2)
        lxc("stop", "--force", bed.node(1))
        time.sleep(20)
        lxc("start", bed.node(1))
        time.sleep(5)
    print(load.report)
    assert load.report.gap <= 6, str(load.report)


def test_the_second_node_leaves_and_no_request_is_lost(bed: K3sBed) -> None:
    bed.must("region", "up", "home")
    with Load(vip(bed), SHORT) as load:
        bed.must("region", "scale", "home", "1", "--yes")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    deadline = time.monotonic() + 60
    while copies(bed) != {bed.node(1): 1}:
        assert time.monotonic() < deadline, copies(bed)
        time.sleep(0.5)
