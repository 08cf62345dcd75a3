"""A region grows and shrinks under load without a request lost. The tests build on one another, top to bottom."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import pytest

from du_infra.control.observe import http_get
from tests.region.conftest import Bed, kill_group, lxc
from tests.region.du_node_bed import Load
from tests.region.machine import booted

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.region.up()
    return bed


def load(bed: Bed) -> Load:
    """Little enough for small machines, enough that a lost request would show."""
    return Load(bed.region.status().vip, clients=4, pause=0.02)


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Read progress until a line has ``word``."""
    assert process.stderr is not None
    assert any(word in line for line in process.stderr), f"ended before {word}"


def numbers(bed: Bed) -> list[int]:
    """The numbers of the region's nodes by the store's word; the provider must have the same."""
    names = [node.name for node in bed.region.nodes()]
    assert sorted(names) == sorted(bed.instances())
    return sorted(int(name.rpartition("-")[2]) for name in names)


def untouched(bed: Bed, number: int) -> tuple[str, str, str]:
    """What changes when a node is made again, restarted, or its service is."""
    node = next(node for node in bed.region.nodes() if node.name.endswith(f"-{number}"))
    hello = lxc("exec", node.name, "--", "nerdctl", "-n", "du", "ps", "--no-trunc", "--format", "{{.ID}}")
    return node.address, booted(node.name), hello


def test_one_node_becomes_three_and_the_newest_tag_is_not_what_they_get(bed: Bed) -> None:
    bed.write(tag="v2")  # a release that nobody asked to go live
    with load(bed) as asked:
        done = bed.run("region", "scale", "home", "3", "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)["nodes"]) == 3
    assert numbers(bed) == [1, 2, 3]
    for node in bed.region.nodes():
        told = json.loads(http_get(node.address, "/readyz", timeout=5)[1])
        assert told["releases"]["hello"]["tag"] == "v1"
    bed.write()
    assert asked.ok > 50
    assert asked.failed == {}
    assert "take requests" in bed.region.status().survives


def test_what_was_scaled_stays_through_region_up_and_the_plan_says_so(bed: Bed) -> None:
    plan = bed.region.plan()
    assert plan.actions == ()
    assert "3 node(s), scaled by" in plan.notes[0]
    assert len(bed.region.up().nodes) == 3


def test_the_middle_node_leaves_through_a_kill_of_the_controller_and_others_are_not_touched(bed: Bed) -> None:
    middle = f"{bed.name}-home-2"
    with load(bed) as asked:
        assert bed.run("node", "drain", middle).returncode == 0
        before = [untouched(bed, 1), untouched(bed, 3)]
        assert [a.target for a in bed.region.plan_scale(2).actions if a.kind == "leave"] == [middle]
        process = bed.start("region", "scale", "home", "2", "--yes")
        wait_for(process, "go on without")
        kill_group(process)
        assert next(node.state for node in bed.region.nodes() if node.name == middle) == "leaving"
        done = bed.run("region", "up", "home")  # somebody said yes to that already
    assert done.returncode == 0, done.stderr
    assert numbers(bed) == [1, 3]
    assert [untouched(bed, 1), untouched(bed, 3)] == before
    assert asked.failed == {}
    assert asked.ok > 50


def test_a_node_on_its_way_out_is_taken_back_and_serves(bed: Bed) -> None:
    with load(bed) as asked:
        process = bed.start("region", "scale", "home", "1", "--yes")
        wait_for(process, "let the connections end")
        kill_group(process)
        (going,) = [node.name for node in bed.region.nodes() if node.state == "leaving"]
        done = bed.run("region", "scale", "home", "2", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"return     {going}" in done.stderr
    assert numbers(bed) == [1, 3]
    bed.await_serving()
    assert asked.failed == {}


def test_a_node_reboots_and_nobody_notices(bed: Bed) -> None:
    holder = next(node.name for node in bed.region.nodes() if node.front)
    with load(bed) as asked:
        done = bed.run("node", "reboot", holder, "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == "rebooted"
    bed.await_serving()
    assert asked.failed == {}


def test_the_only_node_is_not_drained(bed: Bed) -> None:
    lxc("stop", "--force", f"{bed.name}-home-3")
    done = bed.run("node", "drain", f"{bed.name}-home-1")
    assert done.returncode == 4
    assert "no other node is ready" in done.stderr
    assert bed.run("node", "remove", f"{bed.name}-home-3", "--yes").returncode == 0  # the dead one may go
    assert numbers(bed) == [1]
    assert bed.get()[0] == 200
