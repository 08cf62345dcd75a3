"""du-node on a real node: releases under load, failures told apart, healed after everything that dies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from tests.region.du_node_bed import Load, Node, make_node, unmake

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node()
    yield made
    unmake(made)


def test_the_first_release_is_served_and_readyz_tells_it(node: Node) -> None:
    assert node.readyz()["status"] in (0, 404, 503)
    code, lines = node.apply(node.hello("v1", env={"HELLO_GREETING": "x y=#z "}))
    assert (code, lines[-1]["ok"]) == (0, True), lines
    assert "version v1" in node.get()[1]
    told = node.wait_until_ready("v1", 3)
    assert told["status"] == 200
    assert told["releases"]["hello"]["slot"] == "blue"
    assert json.loads(node.get("/env")[1])["HELLO_GREETING"] == "x y=#z "
    assert node.status()["ready"]


def test_a_second_apply_finds_nothing_to_do(node: Node) -> None:
    assert node.apply(node.hello("v1"))[0] == 0
    code, (result,) = node.apply(node.hello("v1"))
    assert (code, result["steps"]) == (0, 0)


def test_switching_under_load_loses_no_request(node: Node) -> None:
    with Load(node.address) as load:
        for tag in ("v2", "v1", "v2"):
            assert node.apply(node.hello(tag))[0] == 0
            time.sleep(0.3)
    assert not load.failed, (load.failed, load.ok)
    assert load.ok > 200
    assert set(load.releases) == {node.hello(tag)["release"] for tag in ("v1", "v2")}


def test_the_load_of_the_last_minute_is_told(node: Node) -> None:
    with Load(node.address, clients=2, pause=0.02) as load:
        time.sleep(6)
    told = node.status()["load"]
    assert told["rps"] >= load.ok / 90, told
    assert 0 < told["p95_ms"] < 5000, told
    assert 0 < told["cpu_percent"] <= 100, told
    assert 0 < told["memory_percent"] < 100, told
    assert 0 <= told["pressure"] <= 100, told


def test_readyz_does_not_waver_during_a_switch(node: Node) -> None:
    process = node.start_apply(node.hello("v1"))
    seen = []
    while process.poll() is None:
        seen.append(node.readyz()["status"])
    assert process.stdout is not None
    process.stdout.close()
    assert set(seen) == {200}
    assert len(seen) > 10


@pytest.mark.parametrize(
    ("env", "port", "words"),
    [
        ({"HELLO_READY": "missing"}, 8080, "/readyz answers 404: is `ready:` right?"),
        ({}, 81, "nothing listens on its port: is `port:` right?"),
        ({"HELLO_PORT": "x"}, 8080, "it ended by itself with exit code 1"),
    ],
)
def test_a_release_that_is_never_ready_goes_and_the_old_one_stays(
    node: Node, env: dict[str, str], port: int, words: str
) -> None:
    before = node.status()["services"][0]
    failing = node.hello("v2", env=env, port=port, start_timeout=3, release="failing")
    code, lines = node.apply(failing)
    (error,) = (line for line in lines if line["kind"] == "error")
    assert (code, error["error"], error["service"]) == (6, "not-ready", "hello")
    assert words in error["text"]
    assert "last log lines" in error["detail"]
    after = node.status()
    assert after["config"] == ""
    assert after["services"][0]["slot"] == before["slot"]
    assert after["services"][0]["ready"]
    assert list(node.containers().values()) == ["Up"]


def test_a_reload_that_nginx_only_pretends_is_found_out_and_taken_back(node: Node) -> None:
    assert node.apply(node.hello("v1"))[0] == 0
    hog = "import socket, time; s = socket.socket(); s.bind(('0.0.0.0', 8099)); s.listen(); time.sleep(60)"
    node.sh(f'systemd-run -q --unit hog python3 -c "{hog}"')
    node.sh("sleep 0.3; echo 'server { listen 8099; }' >/etc/nginx/conf.d/hog.conf")
    code, lines = node.apply(node.hello("v2"))
    error = next(line for line in lines if line["kind"] == "error")
    assert (code, error["error"]) == (5, "gateway")
    assert "8099" in error["detail"]
    assert "version v1" in node.get()[1]
    node.sh("systemctl stop hog; rm /etc/nginx/conf.d/hog.conf")
    assert node.apply(node.hello("v2"))[0] == 0
    assert "version v2" in node.get()[1]


@pytest.mark.parametrize(
    "blow",
    [
        "systemctl stop nginx",
        "rm /etc/nginx/conf.d/du.conf; systemctl reload nginx",
    ],
)
def test_serve_brings_back_what_was_killed(node: Node, blow: str) -> None:
    node.wait_until_ready("v2")
    assert node.sh(blow).returncode == 0
    deadline, good = time.monotonic() + 20, 0
    while good < 10:
        assert time.monotonic() < deadline, node.readyz()
        good = good + 1 if node.get()[0] == 200 else 0
        time.sleep(0.1)
    node.wait_until_ready("v2", 5)


def test_after_a_reboot_in_the_middle_of_a_release_the_node_finishes_it_alone(node: Node) -> None:
    assert node.apply(node.hello("v1"))[0] == 0
    process = node.start_apply(node.hello("v2"))
    assert process.stdout is not None
    while "wait until" not in (line := process.stdout.readline()):
        assert line, "it ended before"
    node.reboot()
    process.wait()
    process.stdout.close()
    node.wait_until_ready("v2", 30)
    assert node.apply(node.hello("v2"))[1][-1]["steps"] == 0


def test_serve_takes_at_most_15_mb(node: Node) -> None:
    found = node.sh("grep VmRSS /proc/$(systemctl show -p MainPID --value du-node)/status").stdout
    assert int(found.split()[1]) <= 15 * 1024
    assert 20 <= node.status()["memory"]["overhead_mb"] <= 120


def test_drift_names_the_files_that_were_changed_behind_our_back(node: Node) -> None:
    record = (
        "import hashlib, json; read = lambda p: hashlib.sha256(open(p, 'rb').read()).hexdigest(); "
        "files = {p: read(p) for p in ('/etc/hostname', '/etc/nginx/nginx.conf')}; "
        "print(json.dumps({'hash': 'h1', 'files': files}))"
    )
    node.sh(f'python3 -c "{record}" >/var/lib/du-node/configured.json; echo "# x" >>/etc/nginx/nginx.conf')
    assert node.status()["configured"] == {"hash": "h1", "drift": ["/etc/nginx/nginx.conf"]}


def test_when_nothing_is_wanted_any_more_nothing_is_left(node: Node) -> None:
    assert node.apply()[0] == 0
    assert node.get()[0] == 404
    assert node.containers() == {}
    assert node.sh("nerdctl -n du image ls -q").stdout == ""
    assert node.apply()[1][-1]["steps"] == 0
