"""Two real nodes behind each kind of gateway: they share their requests, and one of them dies under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench.load.mix import USUAL
from bench.load.runner import Load
from du_node.table import Entry, Peer, Upstream
from tests.region.conftest import lxc
from tests.region.du_node_bed import Node, make_node, unmake
from tests.region.gateway_bed import BLUE, GREEN, Gateway, hello

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module", params=["nginx", "envoy"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Gateway, Gateway]]:
    nodes: list[Node] = []
    try:
        with ThreadPoolExecutor(2) as pool:
            for node in pool.map(lambda _: make_node(request.param), range(2)):
                nodes.append(node)
        front, back = map(Gateway, nodes)
        front.prepare()
        back.prepare()
        yield front, back
    finally:
        for node in nodes:
            unmake(node)


def shared(other: Gateway, primary: Upstream = BLUE, **more: Upstream) -> tuple[Entry, ...]:
    """The service on a node that has ``other`` for a peer."""
    return (hello(primary, peers=(Peer(other.node.name, other.node.address),), **more),)


def test_nodes_share_requests_and_switches_of_either_lose_none(pair: tuple[Gateway, Gateway]) -> None:
    front, back = pair
    front.set(shared(back))
    back.set(shared(front, GREEN))
    assert [front.ask(method="POST").release for _ in range(4)].count("v2-def") == 2
    with Load(front.node.address, USUAL) as load:
        for node, other in ((front, back), (back, front)):
            node.set(shared(other, BLUE, backup=GREEN), shared(other, GREEN, backup=BLUE), shared(other, GREEN))
            time.sleep(0.5)
        front.set((hello(shared=True),))  # as if the other were not ready
        front.set(shared(back))
        time.sleep(0.5)
    found = load.report
    assert (found.lost, found.cut) == (0, 0), str(found)
    assert found.releases == {"v1-abc", "v2-def"} and found.requests > 200


def test_a_slot_that_dies_on_either_node_is_stood_in_for(pair: tuple[Gateway, Gateway]) -> None:
    front, back = pair
    for dead, alive in ((back, front), (front, back)):
        front.set(shared(back))
        back.set(shared(front))
        dead.kill(BLUE)
        assert [front.ask(method=method).status for method in ("POST", "GET") * 5] == [200] * 10
        dead.slots()
        assert alive.ask().status == 200


@pytest.mark.alone
def test_a_node_that_falls_silent_leaves_the_gateway_also_while_a_release_is_watched(
    pair: tuple[Gateway, Gateway],
) -> None:
    front, back = (side.node for side in pair)
    if front.gateway != "nginx":
        pytest.skip("what is looked at here is du-node's side, the same for every gateway")
    for node, other in ((front, back), (back, front)):
        node.settle(peers=[{"name": other.name, "address": other.address}])
        node.apply(node.hello("v1"))
        node.wait_until_ready("v1")
    front.wait_until_shared(True)
    with Load(front.address, USUAL) as load:
        how = {"canary": [20], "observe": 8, "max_latency": 50}
        release = front.start_apply(front.hello("v2", rollout=how))
        while front.status()["services"][0]["share"] != 20:
            assert release.poll() is None
        back.sh("ip link set eth0 down")
        front.wait_until_shared(False)
        assert release.poll() is None, "it is still watched"
        assert release.stdout
        told = release.stdout.readlines()
        release.wait()
        assert '"ok": true' in told[-1], told[-8:]
    found = load.report
    assert all(what.split(":")[0] in ("post", "post-fresh", "h2-post", "slow") for what in found.lost_by), str(found)
    assert found.lost <= 5 and found.gap < 2, str(found)
    back.sh("ip link set eth0 up")
    front.wait_until_shared(True)
    for node in (front, back):
        node.sh("systemctl stop du-node")


@pytest.mark.alone
def test_a_node_that_is_stopped_hard_takes_only_what_it_was_answering(pair: tuple[Gateway, Gateway]) -> None:
    front, back = pair
    front.set(shared(back))
    back.set(shared(front))
    with Load(front.node.address, USUAL) as load:
        time.sleep(2)
        lxc("stop", "-f", back.node.name)
        time.sleep(2)  # until du-node would know
        front.set((hello(shared=True),))
        time.sleep(3)
    found = load.report
    assert found.lost <= 5, str(found)
    assert found.gap < 2, str(found)
