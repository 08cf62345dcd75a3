"""Releases on a region of two nodes: one version everywhere, whatever fails, is killed, or is cut on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from du_infra.control.observe import http_get
from du_infra.control.release.result import PREVIEW_PORT
from du_infra.errors import EngineFailed, Refused
from tests.region.conftest import Bed, kill_group, lxc
from tests.region.du_node_bed import Load

pytestmark = pytest.mark.lxd

QUICK = ", start_timeout: 15s, release: {observe: 0s}"
WATCHED = ", start_timeout: 15s, release: {observe: 4s, min_requests: 20}"
FAIL = ", before: [/usr/bin/python3.11, -c, \"print('no such table'); raise SystemExit(3)\"]"
SLEEP = ', stop_grace: 1s, before: [/usr/bin/python3.11, -c, "import time; time.sleep(200)"]'


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    bed.write(nodes=2, more=QUICK)
    bed.region.up()
    return bed


@pytest.fixture(autouse=True)
def _as_it_was(bed: Bed) -> None:
    """Each test finds fleet.yaml's v1 in the file; what runs is what the test before left."""
    bed.write(nodes=2, more=QUICK)


def tags(bed: Bed) -> list[str]:
    """The tag that each node serves, by its own gateway."""
    found = []
    for node in bed.region.status().nodes:
        told = json.loads(http_get(node.address, "/readyz", timeout=5)[1])
        assert told["releases"]["hello"]["ready"], told
        found.append(told["releases"]["hello"]["tag"])
    return found


def wait_for(process: subprocess.Popen[str], *words: str) -> list[str]:
    """Read progress until a line has one of ``words``; the lines that were read."""
    assert process.stderr is not None
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if any(word in line for word in words):
            return lines
    raise AssertionError(f"ended before {words}: {''.join(lines)}")


def other(bed: Bed) -> str:
    """The tag that does not serve."""
    return "v1" if tags(bed)[0] == "v2" else "v2"


def test_a_release_goes_node_by_node_and_no_request_is_lost(bed: Bed) -> None:
    with Load(bed.region.status().vip) as load:
        done = bed.run("release", "start", "hello", "v2", "--yes", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["state"], told["kind"], told["previous"].partition("-")[0]) == ("done", "start", "v1")
    assert {node["release"] for node in told["nodes"]} == {told["release"]}
    assert tags(bed) == ["v2", "v2"]
    assert load.ok > 100
    assert load.failed == {}
    assert done.stderr.index("batch 1  ") < done.stderr.index("batch 2  ") < done.stderr.index("batch 1: ")


def test_a_release_over_the_file_stays_through_region_up_until_the_file_changes(bed: Bed) -> None:
    assert bed.region.up().deployed is False
    assert tags(bed) == ["v2", "v2"]
    plan = bed.run("region", "plan", "home")
    assert "v2, released over fleet.yaml's v1" in plan.stdout
    assert "v2, released over fleet.yaml's v1" in bed.run("region", "status", "home").stdout
    assert "serves everywhere already" in bed.run("release", "start", "hello", "v2", "--yes").stdout


def test_a_rollback_restores_image_environment_and_settings(bed: Bed) -> None:
    before = bed.region.release_status("hello")[0].nodes[0].serves
    bed.write(nodes=2, more=QUICK + ", env: {HELLO_COLOUR: red}")
    bed.region.release("hello", "v1")
    assert "red" in bed.get("/env")[1]
    done = bed.run("release", "rollback", "--yes")
    assert done.returncode == 0, done.stderr
    assert "env HELLO_COLOUR removed" in done.stderr
    assert "red" not in bed.get("/env")[1]
    assert {node.serves for node in bed.region.release_status("hello")[0].nodes} == {before}
    assert bed.region.up().deployed is False
    assert "serves everywhere already" in bed.run("release", "rollback", "--to", before, "--yes").stdout
    assert bed.run("release", "rollback", "--to", "v9-00000000", "--yes").returncode == 4


def test_a_failed_observation_goes_back_by_itself_and_says_why_first(bed: Bed) -> None:
    bed.write(nodes=2, more=WATCHED)
    with Load(bed.region.status().vip) as load:
        done = bed.run("release", "start", "hello", "errors-3-percent", "--yes")
    assert done.returncode == 6, done.stderr
    error = done.stderr[done.stderr.index("Error: ") :]
    assert "5xx" in error.splitlines()[0] or "error" in error.splitlines()[0]
    assert "What was done: went back" in error
    assert tags(bed) == ["v2", "v2"]
    assert set(load.failed) <= {"GET 500", "POST 500"}
    (newest, *_) = bed.region.releases("hello")
    assert newest.state == "rolled-back"
    assert newest.why


def test_a_node_that_fails_after_others_switched_takes_them_all_back(bed: Bed) -> None:
    first, second = [node.node for node in bed.region.plan_release("hello", "websocket").nodes]
    lxc("exec", second, "--", "mv", "/etc/containerd/certs.d", "/etc/containerd/away")
    try:
        done = bed.run("release", "start", "hello", "websocket", "--yes")
    finally:
        lxc("exec", second, "--", "mv", "/etc/containerd/away", "/etc/containerd/certs.d")
    assert done.returncode in (5, 8), done.stderr
    assert f"Error: {second}/hello" in done.stderr
    assert f"back: {first}" in done.stderr
    assert tags(bed) == ["v2", "v2"]
    assert bed.region.releases("hello")[0].state == "rolled-back"


def test_a_held_release_is_on_its_preview_until_it_is_promoted(bed: Bed) -> None:
    result = bed.region.release("hello", "v1", hold=True)
    assert result.state == "held"
    address = result.preview.partition("://")[2].partition(":")[0]
    assert b"v1" in http_get(f"{address}:{PREVIEW_PORT}", "/", timeout=5)[1]
    assert tags(bed) == ["v2", "v2"]
    with pytest.raises(Refused, match="held"):
        bed.region.release("hello", "v2")
    assert bed.region.up().deployed is False
    assert "held" in bed.run("region", "status", "home").stdout
    assert bed.region.promote().state == "done"
    assert tags(bed) == ["v1", "v1"]


def test_a_held_release_that_is_aborted_leaves_no_trace_of_it(bed: Bed) -> None:
    bed.region.release("hello", "v2", hold=True)
    done = bed.run("release", "abort")
    assert done.returncode == 0, done.stderr
    assert tags(bed) == ["v1", "v1"]
    assert not any(node.preview for node in bed.region.release_status("hello")[0].nodes)


def test_a_failed_migration_stops_it_before_any_traffic_moves(bed: Bed) -> None:
    bed.write(nodes=2, more=QUICK + FAIL)
    with pytest.raises(EngineFailed, match="exit code 3") as caught:
        bed.region.release("hello", "v2")
    assert "no such table" in caught.value.detail
    assert "no traffic was moved" in caught.value.done
    assert bed.region.releases("hello")[0].state == "failed"
    assert tags(bed) == ["v1", "v1"]


def test_an_abort_while_a_migration_runs_stops_it_and_changes_nothing(bed: Bed) -> None:
    bed.write(nodes=2, more=QUICK + SLEEP)
    for killed in (False, True):
        process = bed.start("release", "start", "hello", "v2", "--yes")
        wait_for(process, "before:")
        if killed:
            kill_group(process)
        done = bed.run("release", "abort", timeout=60)
        assert done.returncode == 0, done.stderr
        if not killed:
            assert process.stderr is not None
            assert "aborted by" in process.stderr.read()
            assert process.wait(timeout=30) == 4
        assert bed.region.releases("hello")[0].state == "aborted"
        assert tags(bed) == ["v1", "v1"]
        for name in bed.instances():
            assert "du-hello-before" not in lxc("exec", name, "--", "nerdctl", "-n", "du", "ps", "-a")


def test_a_second_release_is_told_who_is_at_work_and_an_abort_ends_the_first(bed: Bed) -> None:
    process = bed.start("release", "start", "hello", "v2", "--yes", "--observe", "60s")
    wait_for(process, "observe")
    second = bed.run("release", "start", "hello", "v1", "--yes")
    assert second.returncode == 7
    assert f"process {process.pid}" in second.stderr
    assert "start of hello" in second.stderr
    done = bed.run("release", "abort", "hello")
    assert done.returncode == 0, done.stderr
    assert process.stderr is not None
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 4
    assert "aborted by" in rest
    assert tags(bed) == ["v1", "v1"]
    assert bed.region.releases("hello")[0].state == "aborted"


@pytest.mark.parametrize(
    ("moment", "batch", "verb"),
    [
        ("batch 1:", "1", "abort"),
        ("wait until", "2", "resume"),
        ("batch 2:", "1", "resume"),
        ("stop", "1", "abort"),
    ],
)
def test_a_controller_that_is_killed_is_gone_on_with_or_aborted(bed: Bed, moment: str, batch: str, verb: str) -> None:
    was, wanted = tags(bed)[0], other(bed)
    process = bed.start("release", "start", "hello", wanted, "--yes", "--observe", "1s", "--batch", batch)
    wait_for(process, moment)
    kill_group(process)
    assert bed.region.release_status("hello")[0].cut_off
    done = bed.run("release", verb)
    assert done.returncode == 0, done.stderr
    assert tags(bed) == [wanted if verb == "resume" else was] * 2


def test_a_controller_killed_on_the_way_back_still_ends_in_one_version(bed: Bed) -> None:
    was, wanted = tags(bed)[0], other(bed)
    process = bed.start("release", "start", "hello", wanted, "--yes", "--observe", "60s")
    wait_for(process, "observe")
    killer = bed.start("release", "abort")
    wait_for(process, "back:")
    kill_group(process)
    assert killer.wait(timeout=90) == 0
    assert tags(bed) == [was, was]


def test_a_cut_connection_is_no_failure(bed: Bed) -> None:
    wanted = other(bed)
    process = bed.start("release", "start", "hello", wanted, "--yes", "--observe", "3s")
    lines = wait_for(process, "observe")
    node = next(line for line in lines if "observe" in line).split("· ")[1].partition(":")[0]
    subprocess.run(["lxc", "exec", node, "--", "pkill", "-KILL", "-f", "sshd: root@"], check=False)
    assert process.stderr is not None
    rest = process.stderr.read()
    assert process.wait(timeout=90) == 0, rest
    assert "connecting again" in rest
    assert tags(bed) == [wanted, wanted]


def test_ctrl_c_says_what_goes_on_and_how_to_continue(bed: Bed) -> None:
    wanted = other(bed)
    process = bed.start("release", "start", "hello", wanted, "--yes", "--observe", "1s")
    wait_for(process, "observe")
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    rest = process.stderr.read()
    assert process.wait(timeout=30) == 130
    assert "release resume hello" in rest
    assert "Traceback" not in rest
    assert bed.region.resume_release().state == "done"
    assert tags(bed) == [wanted, wanted]


def test_history_tells_who_released_what_when_and_how_it_ended(bed: Bed) -> None:
    rows = json.loads(bed.run("release", "list", "--output", "json").stdout)
    assert {row["state"] for row in rows} >= {"done", "rolled-back", "aborted", "failed"}
    assert all(row["actor"] and row["started"] <= row["ended"] for row in rows)
    assert [row["id"] for row in rows] == sorted((row["id"] for row in rows), reverse=True)
    table = bed.run("release", "list").stdout
    assert "rollback" in table
    began = time.monotonic()
    assert "hello" in bed.run("release", "status").stdout
    assert time.monotonic() - began < 10


def test_a_node_that_is_gone_keeps_a_release_from_beginning(bed: Bed) -> None:
    gone = sorted(bed.instances())[-1]
    wanted = other(bed)
    lxc("stop", "--force", gone)
    done = bed.run("release", "start", "hello", wanted, "--yes")
    assert done.returncode == 6
    assert f"{gone} does not answer" in done.stderr
    assert "region up" in done.stderr
