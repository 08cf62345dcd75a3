"""Two nodes are upgraded and rebooted under load, by a controller that is killed. The tests build on one another."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from du_infra.control.observe import http_get
from tests.region.apt_bed import ASKS, OURS, SETTINGS, offer, old_package, sh, version_on
from tests.region.conftest import Bed, kill_group
from tests.region.du_node_bed import Load
from tests.region.gaps import Gaps

pytestmark = pytest.mark.lxd

_KEEPALIVED = "/usr/sbin/keepalived"


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed], tmp_path_factory: pytest.TempPathFactory) -> Bed:
    bed = make_bed()
    bed.write(nodes=2)
    bed.write_text(bed.file.read_text().replace("nodes: 2", "nodes: 2, boot_timeout: 5m"))  # on a busy machine
    bed.region.up()
    folder = tmp_path_factory.mktemp("apt")
    for node in bed.instances():
        old_package(folder, node)
        offer(folder, node, "2")
    return bed


@contextmanager
def nobody_notices(bed: Bed) -> Iterator[None]:
    """A load on the region's address, and a look at its readiness: nothing fails, and it stays ready."""
    vip, unready = bed.region.status().vip, []

    def ask() -> None:
        status, body = http_get(vip, "/readyz", timeout=5)
        if status != 200:
            unready.append(body)

    with Load(vip, clients=4, pause=0.02) as asked, Gaps(ask) as gaps:
        yield
    print(f"{asked.ok} requests, longest time without an answer {gaps.longest:.1f} s")
    assert asked.failed == {}
    assert asked.ok > 50
    assert unready == []


def cut_off(bed: Bed, word: str, *verbs: str) -> None:
    """Start a command, and kill it when its progress has ``word``."""
    process: subprocess.Popen[str] = bed.start(*verbs, "--yes")
    assert process.stderr is not None
    told: list[str] = []
    while not (told and word in told[-1]):
        told.append(process.stderr.readline())
        assert told[-1], f"ended before {word}: {''.join(told[-20:])}"
    kill_group(process)


def holder_and_other(bed: Bed) -> tuple[str, str]:
    nodes = bed.region.nodes()
    return next(node.name for node in nodes if node.front), next(node.name for node in nodes if not node.front)


def boots(node: str) -> int:
    """How often it has been booted."""
    return len(sh(node, "journalctl --list-boots --no-pager | grep -v IDX").splitlines())


def pid(node: str, unit: str) -> str:
    return sh(node, f"systemctl show --property=MainPID --value {unit}")


def test_an_upgrade_goes_on_where_it_was_killed_and_only_who_asks_is_rebooted(bed: Bed) -> None:
    holder, other = holder_and_other(bed)
    sh(other, f"touch {ASKS}")
    sh(holder, f"cp -a {_KEEPALIVED} /root/k && mv /root/k {_KEEPALIVED}")  # as a package replaces it
    before = {node: boots(node) for node in (holder, other)}
    keepalived, gateway = pid(holder, "keepalived"), pid(holder, "nginx")
    with nobody_notices(bed):
        cut_off(bed, f"{other}: goes down", "region", "upgrade", "home")
        cut_off(bed, f"upgrade: {holder}", "region", "upgrade", "home")
        done = bed.run("region", "upgrade", "home", "--yes", "--output", "json", timeout=900)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["kind"], told["before"]) == ("upgrade", [other])
    assert [(turn["node"], turn["done"]) for turn in told["nodes"]] == [(holder, "upgraded")]
    assert "its turn was cut off" in done.stderr
    assert [version_on(node) for node in (holder, other)] == ["2", "2"]
    assert [sh(node, f"cat {SETTINGS}") for node in (holder, other)] == [OURS.strip()] * 2
    assert {node: boots(node) - count for node, count in before.items()} == {holder: 0, other: 1}
    assert pid(holder, "keepalived") != keepalived  # it ran from a file that was replaced
    assert pid(holder, "nginx") == gateway


def test_afterwards_the_region_is_as_it_should_be_and_nothing_is_left_to_upgrade(bed: Bed) -> None:
    assert bed.region.plan().actions == ()
    bed.await_serving()
    node = bed.instances()[0]
    done = bed.run("node", "upgrade", node, "--yes", "--output", "json", timeout=900)
    assert json.loads(done.stdout)["done"] == "up to date"


def test_every_node_is_rebooted_once_though_the_controller_is_killed(bed: Bed) -> None:
    holder, other = holder_and_other(bed)
    before = {node: boots(node) for node in (holder, other)}
    with nobody_notices(bed):
        cut_off(bed, f"{other}: goes down", "region", "reboot", "home")
        done = bed.run("region", "reboot", "home", "--yes", "--output", "json", timeout=900)
    assert done.returncode == 0, done.stderr
    assert [turn["node"] for turn in json.loads(done.stdout)["nodes"]] == [other, holder]
    assert {node: boots(node) - count for node, count in before.items()} == {holder: 1, other: 1}
    assert bed.region.status().ready


def test_nobody_is_rebooted_while_another_node_takes_no_requests(bed: Bed) -> None:
    drained, other = holder_and_other(bed)
    before = {node: boots(node) for node in (drained, other)}
    assert bed.run("node", "drain", drained).returncode == 0  # it may be rebooted, and stays drained
    done = bed.run("region", "reboot", "home", "--yes", timeout=900)
    assert done.returncode == 4, done.stderr
    assert f"{drained}: another node takes no requests now, so {other} stays" in done.stderr
    assert f"done are {drained}; left are {other}" in done.stderr
    assert {node: boots(node) - count for node, count in before.items()} == {drained: 1, other: 0}
    assert bed.run("node", "undrain", drained).returncode == 0


def test_an_upgrade_that_apt_refuses_says_who_is_done_and_leaves_the_node_serving(bed: Bed, tmp_path: Path) -> None:
    node = bed.region.nodes()[0].name
    sh(node, "mkdir -p /root/p && mv /usr/bin/dpkg-deb /root/p/")
    offer(tmp_path, node, "3")
    with nobody_notices(bed):
        done = bed.run("node", "upgrade", node, "--yes", timeout=900)
    sh(node, "mv /root/p/dpkg-deb /usr/bin/")
    assert done.returncode == 5, done.stderr
    assert f"{node} takes requests, as before" in done.stderr
    bed.await_serving()
