"""du-node on K3s: releases, switches under load, deaths and leftovers, on the stand-in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.region.du_node_bed import Load, Node, make_node, unmake

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node(runtime="k3s")
    yield made
    unmake(made)


def objects(node: Node, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(node.sh(f"{node.tool} get {kind} -o json").stdout)["items"]
    return found


def test_the_first_release_is_served_and_a_second_apply_finds_nothing_to_do(node: Node) -> None:
    code, lines = node.apply(node.hello("v1"))
    assert code == 0, lines
    assert node.wait_until_ready("v1")["releases"]["hello"]["slot"] == "blue"
    assert "version v1" in node.get()[1]
    code, lines = node.apply(node.hello("v1"))
    assert (code, lines[-1]["steps"]) == (0, 0)


def test_switches_under_load_lose_no_request(node: Node) -> None:
    with Load(node.address, clients=4, pause=0.02) as load:
        for tag in ("v2", "v1", "v2"):
            code, lines = node.apply(node.hello(tag))
            assert code == 0, lines
    assert load.failed == {}
    assert load.ok > 100
    assert len(objects(node, "deployments")) == 2  # the one that serves, and the one for the way back


def test_a_pod_that_is_killed_is_served_again(node: Node) -> None:
    node.wait_until_ready("v2")
    began = time.monotonic()
    node.sh("pkill -9 -f hello.py || pkill -9 -f /hello")
    node.wait_until_ready("v2")
    print(f"served again after {time.monotonic() - began:.1f} s")


def test_a_copy_that_is_well_stays_where_its_slot_s_port_does_not_answer(node: Node) -> None:
    """As where the port leads to copies of a node that is lost: who ended what serves would make it worse."""
    before, port = node.containers(), node.status()["services"][0]["port"]
    rule = f"add rule inet dutest output oifname lo tcp dport {port} drop"
    chain = "add chain inet dutest output { type filter hook output priority -160; }"
    assert node.sh("nft -f -", f"add table inet dutest\n{chain}\n{rule}\n").returncode == 0
    try:
        time.sleep(12)  # three questions without an answer are enough for du-node
        assert not node.status()["services"][0]["ready"]
        assert node.containers() == before
    finally:
        node.sh("nft delete table inet dutest")
    node.wait_until_ready("v2")
    assert node.containers() == before


def test_requests_come_through_where_the_slot_s_port_refuses_for_no_copy_is_called_ready(node: Node) -> None:
    """As after a start of the kubelet, which calls all of them unready until it has asked each one."""
    port = node.status()["services"][0]["port"]
    rule = f"add rule inet dutest output oifname lo tcp dport {port} reject with tcp reset"
    chain = "add chain inet dutest output { type filter hook output priority -160; }"
    with Load(node.address, clients=2, pause=0.02) as load:
        assert node.sh("nft -f -", f"add table inet dutest\n{chain}\n{rule}\n").returncode == 0
        try:
            before = load.ok
            time.sleep(3)
            assert load.ok > before + 20
        finally:
            node.sh("nft delete table inet dutest")
    assert load.failed == {}


def test_settings_secrets_and_volumes_are_the_service_s_own(node: Node) -> None:
    mark, value = "1" * 16, "s3cret of one\r\n"
    more = {
        "memory_mb": 96,
        "cpus": 0.9,
        "env": {"HELLO_GREETING": "x $(HOME) $$y=#z ", "PEM": "one\ntwo"},
        "volumes": {"data": "/var/lib/app"},
        "secrets": {"DB": mark},
    }
    code, lines = node.apply(node.hello("v1", **more))
    assert (code, lines[-2]["error"]) == (5, "secret"), lines
    item = {"fingerprint": mark, "value": value}
    assert node.sh("du-node secrets", json.dumps({"hello": {"DB": item}})).returncode == 0
    code, lines = node.apply(node.hello("v1", **more))
    assert code == 0, lines
    assert json.loads(node.get("/env")[1])["HELLO_GREETING"] == "x $(HOME) $$y=#z "
    (name,) = (name for name, how in node.containers().items() if how == "Up")
    look = "import sys; open('/var/lib/app/w','a').write('x'); print([open('/run/secrets/DB',newline='').read()])"
    done = node.sh(f'{node.tool} exec {name} -- /usr/bin/python3.11 -c "{look}"')
    assert done.stdout.strip() == repr([value]), (done.stdout, done.stderr)
    assert node.sh("cat /var/lib/du-volumes/hello/data/w").stdout == "x"
    order = {"attempt": "a1", "service": node.hello("v2", **more), "command": ["/usr/bin/python3.11", "-c", look]}
    done = node.sh("du-node before", json.dumps(order))
    assert done.returncode == 0, done.stdout
    failing = {**order, "attempt": "a2", "command": ["/usr/bin/python3.11", "-c", "raise SystemExit('no way')"]}
    error = json.loads(node.sh("du-node before", json.dumps(failing)).stdout.splitlines()[-1])
    assert "exit code 1" in error["text"]
    assert "no way" in error["detail"]


def test_killed_half_way_it_goes_on(node: Node) -> None:
    with Load(node.address, clients=2, pause=0.02) as load:
        for tag, seconds in (("v2", 1.0), ("v1", 2.0), ("v2", 3.0)):
            process = node.start_apply(node.hello(tag))
            time.sleep(seconds)
            node.sh("pkill -9 -f 'du-node apply'")
            process.wait(20)
            code, lines = node.apply(node.hello(tag))
            assert code == 0, lines
    assert load.failed == {}


def test_k3s_that_is_killed_or_started_anew_stops_no_service(node: Node) -> None:
    with Load(node.address, clients=2, pause=0.02) as load:
        for _ in range(2):
            node.sh("kill -9 $(systemctl show -p MainPID --value k3s)")  # its containers' shims live in the same group
            deadline = time.monotonic() + 120
            while "inactive" in (now := node.sh("sleep 1; systemctl is-active k3s").stdout) or "activating" in now:
                assert time.monotonic() < deadline, now
        code, lines = node.apply(node.hello("v1"))
        assert code == 0, lines
        assert node.sh("systemctl restart k3s").returncode == 0
        code, lines = node.apply(node.hello("v2"))
        assert code == 0, lines
    assert load.failed == {}


def test_after_a_reboot_the_service_comes_back(node: Node) -> None:
    node.reboot()
    node.wait_until_ready("v2", 120)
    assert node.apply(node.hello("v2"))[1][-1]["steps"] == 0


def test_when_nothing_is_wanted_any_more_nothing_is_left(node: Node) -> None:
    assert node.apply()[0] == 0
    deadline = time.monotonic() + 60
    while found := [*objects(node, "deployments"), *objects(node, "services"), *objects(node, "pods")]:
        assert time.monotonic() < deadline, [one["metadata"]["name"] for one in found]
        time.sleep(0.5)
    assert [one["metadata"]["name"] for one in objects(node, "secrets")] == ["du-node-token"]
