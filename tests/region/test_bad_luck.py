"""Killed half-way, two at once, a name that is taken: the same command again finishes the job."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.region.conftest import Bed, kill_group, lxc

pytestmark = pytest.mark.lxd

MOMENTS = ["cloud", "machines", "creat", "boot", "configure", "services"]


def wait_for(process: subprocess.Popen[str], word: str) -> bool:
    """Read progress until a line has ``word``; false when the command ended first."""
    assert process.stderr is not None
    return any(word in line for line in process.stderr)


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    return make_bed()


def test_killed_at_every_stage_the_next_run_goes_on_and_the_last_one_finishes(bed: Bed) -> None:
    for moment in MOMENTS:
        process = bed.start("region", "up", "home")
        assert wait_for(process, moment), f"ended before {moment}"
        time.sleep(0.4)
        kill_group(process)
    done = bed.run("region", "up", "home")
    assert done.returncode == 0, done.stderr
    assert bed.get()[0] == 200
    assert len(bed.instances()) == 1
    assert bed.region.plan().actions == ()


def test_killed_while_a_new_version_is_watched_the_next_run_goes_on_with_it(bed: Bed) -> None:
    bed.write(tag="v2", more=", release: {observe: 3s}")
    process = bed.start("region", "up", "home")
    assert wait_for(process, "observe")
    kill_group(process)
    assert bed.run("region", "up", "home").returncode == 0
    assert "v2" in bed.get()[1]
    newest, first = bed.region.releases("hello")
    assert (newest.state, newest.release[:2], newest.previous) == ("done", "v2", first.release)
    bed.write()
    bed.region.up()


def test_ctrl_c_is_one_line_and_its_exit_code_and_nothing_is_left_running(bed: Bed) -> None:
    bed.write(nodes=2)
    process = bed.start("region", "up", "home")
    assert wait_for(process, "creat")
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    rest = process.stderr.read()
    assert process.wait(timeout=90) == 130
    assert "run the same command again" in rest
    assert "Traceback" not in rest
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_a_grown_pool_serves_from_every_node(bed: Bed) -> None:
    bed.write(nodes=2)
    result = bed.region.up()
    assert len(result.nodes) == 2
    status = bed.region.status()
    assert status.ready
    assert all(node.ready for node in status.nodes)
    assert "the VIP moves" in status.survives


def test_the_second_of_two_at_once_is_told_who_holds_the_region(bed: Bed) -> None:
    first = bed.start("region", "up", "home")
    assert wait_for(first, "machines")
    os.kill(first.pid, signal.SIGSTOP)  # it has little to do, and must not end first
    try:
        second = bed.run("region", "up", "home")
    finally:
        os.kill(first.pid, signal.SIGCONT)
    assert second.returncode == 7
    assert str(first.pid) in second.stderr
    assert first.stderr is not None
    first.stderr.read()
    assert first.wait(timeout=120) == 0


def test_a_lost_machine_is_replaced_under_a_new_name(bed: Bed) -> None:
    bed.write(nodes=2)
    lost = sorted(bed.instances())[0]
    lxc("delete", "--force", lost)
    result = bed.region.up()
    assert lost not in result.nodes
    assert len(result.nodes) == 2
    assert bed.region.status().ready


def test_asking_for_fewer_nodes_loses_nothing_where_nobody_can_be_asked(bed: Bed) -> None:
    before = sorted(bed.instances())
    bed.write(nodes=1)
    try:
        done = bed.run("region", "up", "home")
    finally:
        bed.write(nodes=2)
    assert done.returncode == 4
    assert "nobody is there to ask" in done.stderr
    assert sorted(bed.instances()) == before


def test_down_killed_half_way_is_finished_by_the_next(bed: Bed) -> None:
    process = bed.start("region", "down", "home", "--yes")
    assert wait_for(process, "destroy")
    time.sleep(0.6)
    kill_group(process)
    assert bed.run("region", "down", "home", "--yes").returncode == 0
    assert bed.instances() == []
    assert [p.name for p in bed.folder.iterdir()] == ["fleet.yaml"]


def test_a_name_that_somebody_else_uses_is_refused_and_left_alone(bed: Bed) -> None:
    name = f"{bed.name}-home-1"
    lxc("init", "--empty", name, "-s", "du-infra")
    try:
        done = bed.run("region", "up", "home")
        assert done.returncode == 4
        assert name in done.stderr
        assert bed.run("region", "down", "home", "--yes").returncode == 0
        assert name in bed.instances()
    finally:
        lxc("delete", "--force", name)


def test_an_image_that_is_not_there_is_a_mistake_that_is_named_before_anything_is_made(bed: Bed) -> None:
    bed.write(tag="v99")
    done = bed.run("region", "up", "home")
    bed.write()
    assert done.returncode == 2
    assert "hello:v99" in done.stderr
    assert bed.instances() == []


def test_a_registry_that_does_not_answer_is_unreachable(bed: Bed) -> None:
    bed.write(image="127.0.0.1:1/hello")
    done = bed.run("region", "up", "home")
    bed.write()
    assert done.returncode == 8
    assert "registry" in done.stderr
    assert bed.instances() == []
