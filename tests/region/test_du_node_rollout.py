"""Releases that take their time on a real node: held, given a share, watched, cut off anywhere, taken back."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any

import pytest

from bench.load.runner import Load
from tests.kinds import on
from tests.region.du_node_bed import Node, make_node, unmake

pytestmark = pytest.mark.lxd

# Ten connections are kept for each kind: at these rates none is idle for as long as nginx keeps it at a reload (1 s).
LIGHT = "get=40,post=30,get-fresh=5,post-fresh=5,h2-get=5"

KILLER = """
import json, subprocess, sys, time
text, killed = sys.stdin.read(), []
while True:
    du = subprocess.Popen(["du-node", "apply"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    du.stdin.write(text)
    du.stdin.close()
    for line in du.stdout:
        told = json.loads(line)
        if told["kind"] == "step" and told["text"] not in killed:
            killed.append(told["text"])
            time.sleep(0.03)
            du.kill()
            break
    if not du.wait():
        break
    if du.returncode > 0 and told["kind"] == "result":
        break
print(json.dumps({"code": du.returncode, "killed": killed, "result": told}))
"""
"""Starts du-node again and again, and kills it as soon as it begins a step that it was not killed at yet."""


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    runtime, gateway = request.param
    made = make_node(gateway, runtime=runtime)
    try:
        assert made.apply(made.hello("v1"))[0] == 0
        yield made
    finally:
        unmake(made)


def live(node: Node) -> str:
    """The tag of the release that is served, which must be alone and ready."""
    (service,) = node.status()["services"]
    roles = {key: service[key] for key in ("ready", "backup", "canary", "share", "preview")}
    assert roles == {"ready": True, "backup": "", "canary": "", "share": 0, "preview": ""}, service
    assert [how for how in node.containers().values() if how == "Up"] == ["Up"]
    return str(service["tag"])


def ask(node: Node, port: int = 80, cookie: str = "") -> tuple[str, str]:
    """The release that answered, and the cookie it gave."""
    link = HTTPConnection(node.address, port, timeout=5)
    try:
        link.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        answer = link.getresponse()
        answer.read()
        return answer.getheader("X-Du-Release", ""), (answer.getheader("Set-Cookie") or "").partition(";")[0]
    finally:
        link.close()


def await_step(process: subprocess.Popen[str], words: str) -> None:
    """Read what an apply says until a step with these words is done."""
    assert process.stdout is not None
    for line in process.stdout:
        told = json.loads(line)
        if told["kind"] == "done" and words in told["text"]:
            return
    raise AssertionError(f"it ended without: {words}")


def end_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The last line that an apply says."""
    assert process.stdout is not None
    with process.stdout:
        last: dict[str, Any] = json.loads(process.stdout.readlines()[-1])
    process.wait()
    return last


def websocket(node: Node) -> socket.socket:
    """A websocket to the sample service."""
    link = socket.create_connection((node.address, 80), timeout=10)
    head = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    link.sendall(f"{head}Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\n\r\n".encode())
    assert link.recv(4096).startswith(b"HTTP/1.1 101 ")
    return link


def is_open(link: socket.socket) -> bool:
    """Whether the other side has not said goodbye."""
    link.settimeout(0.2)
    try:
        return bool(link.recv(4096)) and False
    except TimeoutError:
        return True


@on()
def test_a_share_of_the_visitors_is_sent_to_the_canary_and_stays_there(node: Node) -> None:
    rollout = {"canary": [25, 60], "sticky": True, "observe": 3, "max_latency": 1000}
    process = node.start_apply(node.hello("v2", rollout=rollout))
    await_step(process, "(25 % to")
    first = dict(reversed(ask(node)) for _ in range(160))
    sides = Counter(release[:2] for release in first.values())
    assert 15 <= sides["v2"] <= 65, sides  # 40 are meant: four and a half standard deviations
    assert all(ask(node, cookie=cookie)[0] == release for cookie, release in list(first.items())[:20])
    await_step(process, "(60 % to")
    some = [cookie for cookie, release in first.items() if release.startswith("v2")][:20]
    assert all(ask(node, cookie=cookie)[0].startswith("v2") for cookie in some)
    assert end_of(process)["ok"]
    report = node.status()["result"]["reports"]["hello"]
    assert report["errors"] == 0
    assert {"canary 25 %", "observe 60 %", "switch", "observe 100 %", "drain"} <= report["seconds"].keys()
    assert live(node) == "v2"


@on()
def test_a_release_that_is_held_is_seen_on_the_preview_port_alone_until_it_is_let_go_on(node: Node) -> None:
    held, free = node.hello("v1", rollout={"hold": True}), node.hello("v1")
    code, lines = node.apply(held)
    assert (code, lines[-1]["held"]) == (0, ["hello"])
    assert {ask(node)[0] for _ in range(20)} == {node.hello("v2")["release"]}
    assert ask(node, port=8081)[0] == held["release"]
    told = node.status()
    assert (told["config"], told["result"]["held"], told["services"][0]["preview"]) == ("", ["hello"], held["release"])
    assert node.apply(held)[1][-1]["steps"] == 0
    assert node.apply(free)[0] == 0
    assert live(node) == "v1"
    if node.gateway == "envoy":  # its port stays open, with nothing behind it
        assert ask(node, port=8081)[0] == ""
    else:
        with pytest.raises(ConnectionRefusedError):
            ask(node, port=8081)


@on()
def test_a_release_that_is_held_or_has_begun_can_be_given_up(node: Node) -> None:
    assert node.apply(node.hello("v2", rollout={"hold": True}))[0] == 0
    assert node.apply(node.hello("v1"))[0] == 0
    assert live(node) == "v1"
    process = node.start_apply(node.hello("v2", rollout={"canary": [50], "observe": 60}))
    await_step(process, "(50 % to")
    assert node.status()["busy"]["verb"] == "apply"
    done = node.sh("du-node apply --now", node.wanted(node.hello("v1")))
    assert done.returncode == 0, done.stdout
    assert process.wait() != 0
    end_of(process)
    assert live(node) == "v1"


@on()
def test_while_one_service_is_watched_another_that_dies_is_started_again(node: Node) -> None:
    other = node.hello("v1", name="other", path="/other")
    assert node.apply(node.hello("v1"), other)[0] == 0
    process = node.start_apply(node.hello("v2", rollout={"observe": 10}), other)
    await_step(process, "(backup")
    assert node.sh(f"{node.tool} kill du-other-blue").returncode == 0
    deadline = time.monotonic() + 9
    while node.get("/other/")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert node.status()["busy"]
    assert end_of(process)["ok"]
    assert node.apply(node.hello("v1"))[0] == 0


@on(envoy=True)
def test_killed_at_every_step_it_goes_on_and_no_request_is_lost(node: Node) -> None:
    # how quick it is may not matter here: the machine that the tests run on is busy with them
    rollout = {"canary": [25], "observe": 0.3, "warm_up": "/", "max_latency": 1000}
    with Load(node.address, LIGHT) as load:
        done = node.sh(f"python3 -c '{KILLER}'", node.wanted(node.hello("v2", rollout=rollout)))
    told = json.loads(done.stdout)
    assert (told["code"], told["result"]["ok"]) == (0, True), told
    words = " ".join(told["killed"])
    # one of them may have been done by serve, which takes over whenever we are late to begin again
    missed = [word for word in ("warm", "(25 % to", "observe", "(backup", "end (30 s", "stop") if word not in words]
    assert len(missed) <= 1, words
    assert (load.report.lost, live(node)) == (0, "v2"), str(load.report)


@on()
def test_killed_at_every_step_of_the_way_back_it_ends_with_the_old_release_and_says_why(node: Node) -> None:
    env, rollout = {"HELLO_ERRORS_PERCENT": "50"}, {"canary": [25], "observe": 6, "min_requests": 20}
    bad = node.hello("v1", env=env, release="bad", rollout=rollout)
    with Load(node.address, LIGHT) as load:
        time.sleep(1)
        told = json.loads(node.sh(f"python3 -c '{KILLER}'", node.wanted(bad)).stdout)
    assert (told["code"], told["result"]["failed"]) == (6, ["hello"]), told
    undone = ["gateway: hello → green", "hello: let the requests of blue end (30 s at most)", "hello: stop blue"]
    assert told["killed"][-3:] == undone, told
    # what the bad release itself answered with an error is all that was not answered well
    assert all(what.endswith(": 500") for what in load.report.lost_by), str(load.report)
    assert live(node) == "v2"
    result = node.status()["result"]
    assert result["ended"]
    assert result["failed"]["hello"]["error"] == "observation"


@on(envoy=True)
def test_what_is_connected_to_the_old_release_is_cut_after_its_time_and_counted(node: Node) -> None:
    with websocket(node) as link:
        assert node.apply(node.hello("v1", rollout={"cut_after": 1.5}))[0] == 0
        assert not is_open(link)
    report = node.status()["result"]["reports"]["hello"]
    assert report["cut"] == 1
    assert 1.5 <= report["seconds"]["drain"] <= 4


@on()
def test_an_old_release_that_is_let_run_ends_with_its_last_connection_or_with_the_next_release(node: Node) -> None:
    never = {"cut_after": None}
    with websocket(node) as link:
        assert node.apply(node.hello("v2", rollout=never))[0] == 0
        assert node.status()["services"][0]["lingering"] == 1
        assert is_open(link)
        assert node.apply(node.hello("v1", rollout=never, release="v1-other", env={"X": "1"}))[0] == 0
        assert not is_open(link)
        assert node.status()["result"]["reports"]["hello"]["cut"] == 1
    with websocket(node):
        assert node.apply(node.hello("v2", rollout=never))[0] == 0
    deadline = time.monotonic() + 15
    while list(node.containers().values()).count("Up") > 1:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert live(node) == "v2"
