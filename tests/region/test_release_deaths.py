"""Nodes die in the middle of a release over three: it ends in one version everywhere, whoever is there to end it.

Clients ask through the region's address all the time. Each test states how many requests may be lost: what the node
that dies was answering, and what arrives until the others and keepalived have seen it.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from du_infra.control.observe import http_get
from tests.kinds import ALL
from tests.region.conftest import Bed, kill_group, lxc
from tests.region.du_node_bed import Load
from tests.region.minding import Loop

pytestmark = pytest.mark.lxd

CLIENTS = 4
BLIND_SECONDS = 3.0
"""In which the dead node still gets requests: its share until its peers leave it out, all while the address moves."""
CALM_UP_SECONDS = 30.0
FLEET = """fleet: {name}
regions:
  home: {{provider: lxd, pool: {{nodes: 3}}, heal: {{dead_after: 4s}}}}
services:
  hello:
    {{image: registry.local:5000/hello, tag: v1, port: 8080, start_timeout: 30s,
     release: {{observe: 4s, max_unavailable: {gone}}}}}
"""


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.write_text(FLEET.format(name=bed.name, gone=0))
    return bed


@pytest.fixture(scope="module")
def minute(bed: Bed) -> float:
    """As long as two minutes are on a machine as busy as this one."""
    took = sum(bed.region.up().seconds.values())
    return 120.0 * max(1.0, took / CALM_UP_SECONDS)


@pytest.fixture
def minded(bed: Bed, minute: float) -> Iterator[Loop]:
    loop = Loop(bed, minute)
    yield loop
    loop.end()


def tags(bed: Bed) -> list[str]:
    """What each node serves, by its own gateway; "" for one that does not answer."""
    return [tag_of(node.address) for node in bed.region.nodes()]


def tag_of(address: str) -> str:
    try:
        row = json.loads(http_get(address, "/readyz", timeout=5)[1])["releases"]["hello"]
    except (OSError, ValueError, KeyError):
        return ""
    return str(row["tag"]) if row["ready"] else ""


def await_tags(bed: Bed, tag: str, minute: float, without: str = "") -> None:
    """Three nodes, each with this tag, and nothing is open any more."""
    deadline = time.monotonic() + minute
    while True:
        nodes = bed.region.nodes()
        names = [node.name for node in nodes]
        if [tag_of(node.address) for node in nodes] == [tag] * 3 and without not in names:
            break
        assert time.monotonic() < deadline, nodes
        time.sleep(0.5)
    assert not bed.region.release_status("hello")[0].cut_off


def until_batch_two(bed: Bed, tag: str) -> tuple[subprocess.Popen[str], str]:
    """A release of ``tag`` that is just at work on its second node, and that node."""
    names = [node.node for node in bed.region.plan_release("hello", tag).nodes]
    process = bed.start("release", "start", "hello", tag, "--yes")
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if "observe" in line and names[1] in line:
            return process, names[1]
    raise AssertionError("".join(lines))


def assert_bounded(load: Load, seconds: float) -> None:
    """No more requests are lost than the clients ask in the time in which nobody can know of the death."""
    lost, bound = sum(load.failed.values()), CLIENTS + BLIND_SECONDS * (load.ok / seconds)
    print(f"{lost} of {load.ok + lost} requests lost, {dict(load.failed)}; may be {bound:.0f}")
    assert load.ok > 100
    assert lost <= bound


def test_a_node_that_is_away_during_a_release_is_brought_along_when_it_is_back(bed: Bed, minute: float) -> None:
    bed.write_text(FLEET.format(name=bed.name, gone=1))
    name = next(node.name for node in reversed(bed.region.nodes()) if not node.front)
    lxc("stop", "--force", name)
    assert bed.run("release", "start", "hello", "v2", "--yes").returncode == 0
    lxc("start", name)
    with Load(bed.region.status().vip, clients=CLIENTS, pause=0.02) as load:
        loop = Loop(bed, minute)
        try:
            loop.wait_for("done", name)
            await_tags(bed, "v2", minute)
        finally:
            loop.end()
    assert load.failed == {}
    bed.write_text(FLEET.format(name=bed.name, gone=0))


def test_a_node_that_restarts_in_the_second_batch_ends_with_one_version_everywhere(
    bed: Bed, minute: float, minded: Loop
) -> None:
    begun = time.monotonic()
    with Load(bed.region.status().vip, clients=CLIENTS, pause=0.02) as load:
        process, name = until_batch_two(bed, "v1")
        lxc("restart", "--force", name)
        assert process.wait(timeout=minute) in (0, 6, 8)
        rows = bed.region.releases("hello")
        await_tags(bed, "v1" if rows[0].state == "done" else "v2", minute)
        assert_bounded(load, time.monotonic() - begun)
    print(f"ended {bed.region.releases('hello')[0].state}: {bed.region.releases('hello')[0].why}")
    assert name in bed.instances()


def test_a_node_that_is_gone_for_good_and_the_controller_with_it_are_no_matter_for_a_person(
    bed: Bed, minute: float, minded: Loop
) -> None:
    begun = time.monotonic()
    with Load(bed.region.status().vip, clients=CLIENTS, pause=0.02) as load:
        old = tags(bed)[0]
        process, name = until_batch_two(bed, "v2" if old == "v1" else "v1")
        minded.reset()
        lxc("exec", name, "--", "rm", "/sbin/init")
        lxc("stop", "--force", name)
        kill_group(process)
        died = time.monotonic()
        told, words = minded.wait_for("resume")
        replaced, _ = minded.wait_for("replace", name)
        await_tags(bed, old, minute, without=name)
        whole = time.monotonic() - died
        assert_bounded(load, time.monotonic() - begun)
    print(f"{words!r} after {told:.1f} s, replaced from {replaced:.1f} s on, whole after {whole:.1f} s")
    (newest, *_) = bed.region.releases("hello")
    assert newest.state == "rolled-back"
    assert f"{name} does not answer" in newest.why


@pytest.mark.skipif(not ALL, reason="the person waits for a minute here; `make faults` runs it")
def test_by_hand_a_node_that_is_gone_for_good_is_replaced_and_that_ends_the_release(bed: Bed, minute: float) -> None:
    begun = time.monotonic()
    with Load(bed.region.status().vip, clients=CLIENTS, pause=0.02) as load:
        old = tags(bed)[0]
        process, name = until_batch_two(bed, "v2" if old == "v1" else "v1")
        lxc("stop", "--force", name)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(timeout=minute) != 0
        assert f"`du-infra node replace {name}`" in said
        assert bed.region.release_status("hello")[0].cut_off
        done = bed.run("node", "replace", name, "--yes", timeout=minute)
        assert done.returncode == 0, done.stderr
        await_tags(bed, old, minute, without=name)
        assert_bounded(load, time.monotonic() - begun)
    assert bed.region.releases("hello")[0].state == "rolled-back"
