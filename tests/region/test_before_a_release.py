"""What happens on a real node before a release gets a request: is there room, does the image run here, and the command
that runs once."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_infra.engines import skopeo
from du_infra.pool.lxd.provider import LxdProvider
from tests.region.du_node_bed import Node, make_node, unmake

pytestmark = pytest.mark.lxd

PYTHON = "/usr/bin/python3.11"
SLOW = "import time; print('begun', flush=True); time.sleep(4); print('ended')"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node()
    assert made.apply(made.hello("v1"))[0] == 0
    yield made
    unmake(made)


def before(node: Node, attempt: str, code: str, timeout: float = 30, **changes: Any) -> tuple[int, dict[str, Any]]:
    """Exit code and last line of du-node before, with a line of Python as its command."""
    done = node.sh("du-node before", order(node, attempt, code, timeout, **changes))
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def order(node: Node, attempt: str, code: str, timeout: float = 30, **changes: Any) -> str:
    service = node.hello("v2", **changes)
    return json.dumps({"attempt": attempt, "service": service, "command": [PYTHON, "-c", code], "timeout": timeout})


def begin(node: Node, text: str) -> subprocess.Popen[str]:
    """Start it and do not wait."""
    argv = ["lxc", "exec", node.name, "-T", "--", "du-node", "before"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert process.stdin is not None
    process.stdin.write(text)
    process.stdin.close()
    return process


def cut_off(node: Node, text: str) -> None:
    """Start it on a connection that is cut, and SIGKILL it."""
    process = begin(node, text)
    while "Up" not in node.containers().get("du-hello-before", ""):
        time.sleep(0.1)
    assert node.sh("kill -9 $(pgrep -f '[d]u-node before')").returncode == 0
    process.wait()


def test_the_command_runs_in_the_new_image_with_the_services_settings_and_is_no_slot(node: Node) -> None:
    shown = "import os; print(os.environ['HELLO_VERSION'], os.environ['KEY'])"
    assert before(node, "a1", shown, env={"KEY": "s3cret"})[1]["log"] == "v2 s3cret"
    assert node.containers().keys() == {"du-hello-blue"}
    assert node.status()["services"][0]["tag"] == "v1"
    assert node.apply(node.hello("v1"))[1][-1]["steps"] <= 1  # the image that nobody wants goes


@pytest.mark.parametrize(
    ("code", "changes", "words"),
    [
        ("print('the last word'); raise SystemExit(3)", {}, "ended with exit code 3"),
        ("print('the last word', flush=True); import time; time.sleep(60)", {"timeout": 2}, "took more than 2 s"),
        (
            "print('the last word', flush=True)\nx = []\nwhile True: x.append(b'x' * 10**7)",
            {"memory_mb": 64},
            "was killed because memory ran out",
        ),
    ],
)
def test_a_failure_is_named_and_shows_the_log(node: Node, code: str, changes: dict[str, Any], words: str) -> None:
    exit_code, line = before(node, f"b-{len(code)}", code, stop_grace=1, **changes)
    assert (exit_code, line["error"], words in line["text"]) == (5, "before", True), line
    assert "the last word" in line["detail"]
    assert node.get()[0] == 200


def test_killed_while_it_runs_it_goes_on_and_whoever_asks_again_gets_its_end(node: Node) -> None:
    cut_off(node, order(node, "c1", SLOW))
    # the node may be changed meanwhile, and nobody takes the command's image away
    assert node.apply(node.hello("v1"))[0] == 0
    code, line = before(node, "c1", SLOW)
    assert (code, line["log"]) == (0, "begun\nended")
    began = time.monotonic()
    code, again = before(node, "c1", SLOW)
    assert (code, again["log"]) == (0, line["log"])
    assert time.monotonic() - began < 4  # the command takes that long


def test_a_command_that_a_restart_of_the_node_cut_off_did_not_end_well(node: Node) -> None:
    cut_off(node, order(node, "d1", SLOW))
    node.reboot()
    node.wait_until_ready("v1")
    code, line = before(node, "d1", SLOW)
    assert (code, "was cut off, and how far it came is not known" in line["text"]) == (5, True), line
    assert before(node, "d2", "print('again')")[1]["log"] == "again"
    assert node.containers().keys() == {"du-hello-blue"}


def test_a_command_is_stopped_whenever_that_is_asked_for_and_never_runs_again(node: Node) -> None:
    node.apply(node.hello("v1"))  # no v2 is left: it has to be pulled
    for delay in (0.1, 0.5, 3.0):
        text = order(node, f"e-{delay}", "import time; time.sleep(60)", stop_grace=1)
        process = begin(node, text)
        time.sleep(delay)
        began = time.monotonic()
        done = node.sh("du-node before --stop", text)
        assert (done.returncode, json.loads(done.stdout.splitlines()[-1])["stopped"]) == (0, True), done.stdout
        assert process.wait() != 0
        assert time.monotonic() - began < 20
        assert node.containers().keys() == {"du-hello-blue"}
        again = node.sh("du-node before", text)
        assert "was stopped" in json.loads(again.stdout.splitlines()[-1])["text"]


def refused(node: Node, **changes: Any) -> dict[str, Any]:
    """A release that is refused before anything has changed."""
    code, lines = node.apply(node.hello(**{"tag": "v2", **changes}))
    (error,) = (line for line in lines if line["kind"] == "error")
    assert code == 5
    assert list(node.containers().values()) == ["Up"]
    assert node.get()[0] == 200
    return error


def test_without_memory_for_a_second_copy_or_room_for_the_image_nothing_begins(node: Node) -> None:
    error = refused(node, memory_mb=5000)
    assert (error["error"], "needs 5000 MB of memory" in error["text"]) == ("no-room", True)
    assert node.apply(node.hello("v1"))[0] == 0  # no v2 is left: it would have to be pulled
    error = refused(node, size_mb=200_000)
    assert (error["error"], "needs 600200 MB of free disk" in error["text"]) == ("no-room", True)


def test_an_image_for_another_machine_is_refused(node: Node, tmp_path: Path) -> None:
    registry = LxdProvider().registries()[0].address
    layout = f"{tmp_path}/layout:arm64"
    for argv in (
        ["skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{registry}/hello:v2", f"oci:{layout}"],
        ["umoci", "config", "--image", layout, "--architecture", "arm64"],
        ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{layout}", f"docker://{registry}/hello:arm64"],
    ):
        subprocess.run(argv, check=True, capture_output=True)
    node.digests["arm64"] = skopeo.digest(f"{registry}/hello", "arm64", plain_http=True)
    for _ in range(2):  # the second time the image is there already
        error = refused(node, tag="arm64")
        assert error["text"] == "hello arm64 is made for arm64, and this node is amd64"


def test_what_is_warmed_up_is_asked_ten_times_first_and_must_answer_well(node: Node) -> None:
    changes: dict[str, Any] = {"env": {"HELLO_ERRORS_PERCENT": "50"}, "rollout": {"warm_up": "/warm"}}
    code, lines = node.apply(node.hello("v2", **changes))
    (error,) = (line for line in lines if line["kind"] == "error")
    assert (code, error["text"]) == (6, "hello v2 cannot be warmed up: /warm answers 500")
    assert "GET /warm" in error["detail"]
    assert node.status()["services"][0]["tag"] == "v1"
    assert node.apply(node.hello("v2", rollout={"warm_up": "/warm"}))[0] == 0
