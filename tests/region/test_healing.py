"""A region that minds itself: nodes die in several ways, and nobody but the control loop does anything about it.

The tests build on one another, top to bottom. Each states how long the service may be away at the region's address.
A machine that is busy with other work makes nodes more slowly: there the minute is as much longer as `region up` was.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest

from du_infra.control.observe import http_get
from tests.region.conftest import Bed, kill_group, lxc
from tests.region.minding import Loop

pytestmark = pytest.mark.lxd

REPLACED_SECONDS = 60.0
CALM_UP_SECONDS = 20.0
AWAY_SECONDS = 6.0
WHOLE_SECONDS = 30.0
FLEET = """fleet: {name}
regions:
  home: {{provider: lxd, pool: {{nodes: 2}}, heal: {{dead_after: 4s}}}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080, release: {{observe: 1s}}}}
"""


class Client:
    """Asks through the region's address, every 50 ms, and knows the longest time without a good answer."""

    def __init__(self, vip: str) -> None:
        self._vip = vip
        self._over = threading.Event()
        self._good = [time.monotonic()]
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Client:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def away(self) -> float:
        """Seconds."""
        times = [*self._good, time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))

    def _ask(self) -> None:
        while not self._over.wait(0.05):
            try:
                if http_get(self._vip, "/", timeout=1)[0] == 200:
                    self._good.append(time.monotonic())
            except OSError:
                continue


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.write_text(FLEET.format(name=bed.name))
    return bed


@pytest.fixture(scope="module")
def minded(bed: Bed) -> Iterator[Loop]:
    took = sum(bed.region.up().seconds.values())
    loop = Loop(bed, REPLACED_SECONDS * max(1.0, took / CALM_UP_SECONDS))
    yield loop
    loop.end()


def holder(bed: Bed) -> str:
    """The node that holds the region's address."""
    return str(json.loads(bed.get("/readyz")[1])["node"])


def assert_whole(bed: Bed, without: str = "") -> None:
    """Both nodes serve, if not at once then soon."""
    deadline = time.monotonic() + WHOLE_SECONDS
    while not (status := bed.region.status()).ready and time.monotonic() < deadline:
        time.sleep(0.5)
    assert status.ready, status.why
    assert len(status.nodes) == 2
    assert without not in [node.name for node in status.nodes]
    assert without not in bed.instances()


def test_a_node_that_stops_hard_and_cannot_start_again_is_replaced_in_a_minute(bed: Bed, minded: Loop) -> None:
    name = holder(bed)
    with Client(bed.region.status().vip) as client:
        lxc("exec", name, "--", "rm", "/sbin/init")
        minded.reset()
        lxc("stop", "--force", name)
        assert "is stopped" in minded.wait_for("start", name)[1]
        seconds, words = minded.wait_for("done", name)
        assert_whole(bed, without=name)
    print(f"replaced in {seconds:.1f} s; away for {client.away:.1f} s")
    assert words == f"{bed.name}-home-3 took its place"
    assert client.away < AWAY_SECONDS


def test_a_frozen_node_is_woken(bed: Bed, minded: Loop) -> None:
    name = holder(bed)
    with Client(bed.region.status().vip) as client:
        minded.reset()
        lxc("pause", name)
        assert "is frozen" in minded.wait_for("start", name)[1]
        seconds, _ = minded.wait_for("done", name)
        assert_whole(bed)
    print(f"woken in {seconds:.1f} s; away for {client.away:.1f} s")
    assert client.away < AWAY_SECONDS
    assert name in bed.instances()


def test_a_node_without_a_network_is_replaced_though_the_loop_is_killed_meanwhile(bed: Bed, minded: Loop) -> None:
    name, begun = holder(bed), time.monotonic()
    with Client(bed.region.status().vip) as client:
        minded.reset()
        lxc("exec", name, "--", "ip", "link", "set", "eth0", "down")
        assert "its machine is running" in minded.wait_for("replace", name)[1]
        while len(bed.instances()) < 3:
            time.sleep(0.1)
            assert time.monotonic() - begun < minded.minute
        minded.kill_and_start_again()
        minded.wait_for("resume", name)
        minded.wait_for("done", name)
        assert_whole(bed, without=name)
    print(f"replaced in {time.monotonic() - begun:.1f} s, a kill of the loop included; away for {client.away:.1f} s")
    assert client.away < AWAY_SECONDS


def test_a_replacement_by_hand_that_was_killed_is_gone_on_with(bed: Bed, minded: Loop) -> None:
    """The node that was to go serves until another stands in for it; nobody says the order a second time."""
    name = next(node.name for node in bed.region.status().nodes if node.name != holder(bed))
    with Client(bed.region.status().vip) as client:
        by_hand = bed.start("node", "replace", name, "--yes")
        begun = time.monotonic()
        while len(bed.instances()) < 3:
            assert time.monotonic() - begun < minded.minute
            time.sleep(0.1)
        minded.reset()
        kill_group(by_hand)
        assert "that was cut off, and goes on" in minded.wait_for("resume", name)[1]
        seconds, _ = minded.wait_for("done", name)
        assert_whole(bed, without=name)
    print(f"gone on with, done {seconds:.1f} s after the kill; away for {client.away:.1f} s")
    assert client.away < 1


def test_a_frozen_gateway_is_restarted_by_its_node(bed: Bed) -> None:
    address = bed.region.status().nodes[-1].address
    lxc("exec", bed.region.status().nodes[-1].name, "--", "pkill", "-STOP", "nginx")
    began = time.monotonic()
    while time.monotonic() - began < REPLACED_SECONDS:
        try:
            if http_get(address, "/", timeout=1)[0] == 200:
                break
        except OSError:
            time.sleep(0.2)
    print(f"answers again after {time.monotonic() - began:.1f} s")
    assert http_get(address, "/", timeout=5)[0] == 200


def test_what_was_done_is_in_the_store(bed: Bed) -> None:
    from du_infra.control.context import RegionContext

    context = RegionContext(bed.region.fleet.spec, "home", bed.folder)
    rows = context.store.healings.all("home")
    assert [row.state for row in rows] == ["done", "done"]
    assert "its machine is running" in rows[0].why
