"""Both runtimes on a real node, by the same tests: settings of a service, switches under load, deaths, leftovers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.region.du_node_bed import Load, Node, make_node, unmake

pytestmark = pytest.mark.lxd

ONE, TWO = "1" * 16, "2" * 16
VALUE = "s3cret of one\r\n"
LOOK = """
import json, os
seen = os.stat("/run/secrets/DB")
open("/var/lib/app/written", "a").write("x")
try:
    open("/run/secrets/DB", "a")
    writable = True
except OSError:
    writable = False
print(json.dumps({"uid": os.getuid(), "owner": seen.st_uid, "mode": oct(seen.st_mode & 0o777), "writable": writable,
                  "value": open("/run/secrets/DB", newline="").read(), "pem": os.environ["PEM"],
                  "volume": open("/var/lib/app/written").read()}))
"""
"""Run as the image's user in the service's container."""

LIMITS = """
import json, pathlib, sys
groups = dict(line.split(":", 2)[1:] for line in open(f"/proc/{sys.argv[1]}/cgroup").read().splitlines())
def read(kind, name):
    folder = kind + groups[kind] if kind in groups else groups[""]
    return pathlib.Path("/sys/fs/cgroup/" + folder, name).read_text()
if "memory" in groups:
    memory, quota, period = (int(read(*file)) for file in (
        ("memory", "memory.limit_in_bytes"), ("cpu", "cpu.cfs_quota_us"), ("cpu", "cpu.cfs_period_us")))
else:
    memory, (quota, period) = int(read("", "memory.max")), map(int, read("", "cpu.max").split())
print(json.dumps({"memory": memory, "cpus": quota / period}))
"""
"""What the kernel keeps a process to, in control groups of version 1 and 2 alike."""

NAMED = """
import sys
sys.path.insert(0, "/usr/local/bin/du-node")
from types import SimpleNamespace
from du_node import runtime
tool = runtime.chosen()
tool.image_user = lambda image: "app"
print(tool._owner(SimpleNamespace(name="hello", image="named")))
"""
"""Who a user is that the image `named` knows by name; committing an image cannot set its user in both runtimes."""


@pytest.fixture(scope="module", params=["containerd", "docker"])
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    made = make_node(runtime=request.param)
    yield made
    unmake(made)


def full(node: Node, tag: str, mark: str = ONE, **changes: Any) -> dict[str, Any]:
    """The sample service with every setting that makes a container."""
    settings = {
        "memory_mb": 96,
        "cpus": 0.9,
        "env": {"HELLO_GREETING": "x y=#z ", "PEM": "one\ntwo"},
        "volumes": {"data": "/var/lib/app"},
        "secrets": {"DB": mark},
    }
    return node.hello(tag, **{**settings, **changes})


def send(node: Node, mark: str, value: str | None) -> tuple[int, dict[str, Any]]:
    item = {"fingerprint": mark} | ({} if value is None else {"value": value})
    done = node.sh("du-node secrets", json.dumps({"hello": {"DB": item}}))
    return done.returncode, json.loads(done.stdout)


def kept(node: Node) -> list[str]:
    """The secret files on the node."""
    return node.sh("ls /var/lib/du-node/secrets/hello").stdout.split()


def inside(node: Node) -> dict[str, Any]:
    """What the service's container sees."""
    (name,) = [name for name, how in node.containers().items() if how == "Up"]
    done = node.sh(f"{node.tool} exec -i {name} /usr/bin/python3.11 -", LOOK)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def running(node: Node) -> list[str]:
    return [how for how in node.containers().values() if how == "Up"]


def await_200(node: Node, seconds: float = 30) -> None:
    """Until ten answers in a row are good."""
    deadline, good = time.monotonic() + seconds, 0
    while good < 10:
        assert time.monotonic() < deadline, node.readyz()
        good = good + 1 if node.get()[0] == 200 else 0
        time.sleep(0.1)


def test_a_service_whose_secret_was_not_sent_is_not_started(node: Node) -> None:
    code, lines = node.apply(full(node, "v1"))
    (error,) = (line for line in lines if line["kind"] == "error")
    assert (code, error["error"], error["service"]) == (5, "secret", "hello")
    assert node.containers() == {}
    code, told = send(node, ONE, None)
    assert (code, told["error"]) == (5, "secret")


def test_a_service_gets_its_limits_environment_volume_and_secret(node: Node) -> None:
    assert send(node, ONE, VALUE) == (0, {"kind": "result", "ok": True, "written": 1})
    code, lines = node.apply(full(node, "v1"))
    assert (code, lines[-1]["ok"]) == (0, True), lines
    assert json.loads(node.get("/env")[1])["HELLO_GREETING"] == "x y=#z "
    assert inside(node) == {
        "uid": 65534,
        "owner": 65534,
        "mode": "0o600",
        "writable": False,
        "value": VALUE,
        "pem": "one\ntwo",
        "volume": "x",
    }
    done = node.sh(f"python3 - $({node.tool} inspect --format '{{{{.State.Pid}}}}' du-hello-blue)", LIMITS)
    assert json.loads(done.stdout) == {"memory": 96 << 20, "cpus": 0.9}
    assert node.apply(full(node, "v1"))[1][-1]["steps"] == 0


def test_the_value_stands_in_its_files_and_nowhere_else(node: Node) -> None:
    told = node.sh(
        "grep -rl 's3cret of on[e]' /etc /var /run --exclude-dir=secrets 2>/dev/null;"
        "journalctl --no-pager | grep -c 's3cret of on[e]'; cat /proc/[0-9]*/cmdline | grep -c 's3cret of on[e]'"
    )
    assert told.stdout.split() == ["0", "0"]
    assert sorted(kept(node)) == [f"DB.{ONE}", f"DB.{ONE}.65534"]


def test_a_user_that_an_image_names_is_looked_up_in_the_image(node: Node) -> None:
    write = "open('/etc/passwd', 'w').write('root:x:0:0::/:\\napp:x:4242:4343::/:\\n')"
    image = node.hello("v1")["image"]
    done = node.sh(
        f'{node.tool} run --name maker --network none --user 0 --entrypoint /usr/bin/python3.11 {image} -c "{write}"'
        f" && {node.tool} commit maker named >/dev/null && {node.tool} rm -f maker >/dev/null && python3 -",
        NAMED,
    )
    assert done.stdout.strip() == "(4242, 4343)", done.stderr
    assert "du-hello-look" not in node.containers()
    assert node.sh(f"{node.tool} rmi -f named").returncode == 0


def test_switches_under_load_lose_no_request_and_share_the_volume(node: Node) -> None:
    with Load(node.address, clients=4, pause=0.02) as load:
        for tag in ("v2", "v1"):
            assert node.apply(full(node, tag))[0] == 0
    assert not load.failed, (load.failed, load.ok)
    assert set(load.releases) == {node.hello(tag)["release"] for tag in ("v1", "v2")}
    assert inside(node)["volume"] == "xx"


def test_another_value_is_another_release_and_the_old_one_stays_for_the_way_back(node: Node) -> None:
    assert send(node, TWO, "two")[0] == 0
    assert node.apply(full(node, "v2", TWO))[0] == 0
    assert inside(node)["value"] == "two"
    assert f"DB.{ONE}" in kept(node), "the slot that was left still names it"
    assert send(node, ONE, None)[0] == 0
    assert node.apply(full(node, "v2", ONE))[0] == 0
    assert inside(node)["value"] == VALUE


def test_a_command_before_the_release_has_the_settings_and_its_failure_comes_with_its_log(node: Node) -> None:
    order = {"attempt": "a1", "service": full(node, "v2"), "command": ["/usr/bin/python3.11", "-c", LOOK]}
    volume = inside(node)["volume"]
    done = node.sh("du-node before", json.dumps(order))
    assert done.returncode == 0, done.stdout
    assert inside(node)["volume"] == volume + "xx"
    failing = {**order, "attempt": "a2", "command": ["/usr/bin/python3.11", "-c", "raise SystemExit('no way')"]}
    done = node.sh("du-node before", json.dumps(failing))
    error = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, error["error"]) == (5, "before"), done.stdout
    assert "exit code 1" in error["text"]
    assert "no way" in error["detail"]
    missing = {**order, "attempt": "a3", "service": full(node, "v2", "f" * 16)}
    assert json.loads(node.sh("du-node before", json.dumps(missing)).stdout.splitlines()[-1])["error"] == "secret"
    assert len(running(node)) == 1


def test_a_release_that_is_never_ready_goes_with_its_last_words_and_the_old_one_stays(node: Node) -> None:
    failing = full(node, "v2", env={"HELLO_PORT": "x"}, start_timeout=5, release="failing")
    code, lines = node.apply(failing)
    (error,) = (line for line in lines if line["kind"] == "error")
    assert (code, error["error"]) == (6, "not-ready")
    assert "it ended by itself with exit code 1" in error["text"]
    assert "ValueError" in error["detail"]
    assert node.get()[0] == 200
    assert len(running(node)) == len(node.containers()) == 1


@pytest.mark.parametrize(
    ("image", "code", "kind"),
    [("registry.local:5000/hello", 5, "image"), ("registry.local:5999/hello", 8, "registry")],
)
def test_a_wrong_digest_is_told_from_a_registry_that_is_gone(node: Node, image: str, code: int, kind: str) -> None:
    digest = "sha256:" + "0" * 64
    got, lines = node.apply(node.hello("v1", image=f"{image}@{digest}", digest=digest, release="wrong"))
    (error,) = (line for line in lines if line["kind"] == "error")
    assert (got, error["error"]) == (code, kind)
    assert node.get()[0] == 200


def test_a_daemon_that_is_killed_or_started_anew_stops_no_service_and_no_release(node: Node) -> None:
    assert node.apply(full(node, "v1"))[0] == 0
    with Load(node.address, clients=2, pause=0.02) as load:
        node.sh("kill -9 $(pidof dockerd containerd)")
        assert node.apply(full(node, "v2"))[0] == 0
        assert node.sh(f"systemctl restart {node.runtime}").returncode == 0
        assert node.apply(full(node, "v1"))[0] == 0
    assert not load.failed, (load.failed, load.ok)


def test_a_killed_container_comes_back(node: Node) -> None:
    node.wait_until_ready("v1")
    assert node.sh(f"{node.tool} kill $({node.tool} ps -q)").returncode == 0
    await_200(node)
    assert inside(node)["value"] == VALUE


def test_after_a_reboot_the_service_comes_back_with_all_that_it_had(node: Node) -> None:
    before = inside(node)["volume"]
    node.reboot()
    node.wait_until_ready("v1", 60)
    found = inside(node)
    assert (found["value"], found["volume"]) == (VALUE, before + "x")
    assert node.apply(full(node, "v1"))[1][-1]["steps"] == 0


def test_what_is_not_ours_is_never_touched(node: Node) -> None:
    """Somebody else's container and image: in another namespace of containerd, without our labels in Docker."""
    image, elses = node.hello("v2")["image"], node.tool.replace("-n du", "-n else")
    assert node.sh(f"{elses} pull -q {image} && {elses} run -d --name else --network none {image}").returncode == 0
    assert node.apply()[0] == 0
    assert node.get()[0] == 404
    assert "Up" in node.sh(f"{elses} ps --format '{{{{.Names}}}} {{{{.Status}}}}'").stdout
    node.sh(f"{elses} rm -f else")
    assert node.sh(f"{elses} rmi {image}").returncode == 0


def test_when_nothing_is_wanted_any_more_nothing_is_left_but_the_volume(node: Node) -> None:
    assert node.apply()[1][-1]["steps"] == 0
    assert node.containers() == {}
    assert node.sh(f"{node.tool} image ls -q").stdout == ""
    assert kept(node) == []
    assert node.sh("cat /var/lib/du-volumes/hello/data/written").stdout
