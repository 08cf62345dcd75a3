"""A region of three 1C1G nodes: one server on sqlite, then three on embedded etcd, one of them lost, then one again.

By the command line alone, under load through the region's address. The tests build on one another, top to bottom.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.k3s import build
from tests.k3s.bed import HELLO
from tests.k3s.region_bed import standing, wait_for
from tests.k3s.several import SeveralServers
from tests.region.conftest import kill_group, lxc

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(2400)]

_API_SECONDS = 15.0
_GAP_SECONDS = 6.0
_METRICS = (
    "python3 -c 'import urllib.request as r; print(r.urlopen(\"http://127.0.0.1:2381/metrics\").read().decode())'"
)
_WORD = "/var/lib/rancher/k3s/server/token"


class EtcdBed(SeveralServers):
    """``wanted``: how many servers fleet.yaml asks for."""

    wanted = 1

    def write(self, *, nodes: int = 3, **_: object) -> None:
        k3s = f"{{version: {build.version()}, from: k3s, servers: {self.wanted}}}"
        home = f"{{provider: lxd, runtime: k3s, k3s: {k3s}, pool: {{nodes: {nodes}, boot_timeout: 5m}}}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}"
        self.file.write_text(f"fleet: {self.name}\nregions:\n  home: {home}\nservices: {{hello: {hello}}}\n")

    def members(self) -> dict[str, bool]:
        """Node → whether its member of etcd has a vote, as a server's supervisor says."""
        told = json.loads(self.sh(self.asked, "du-node k3s state").stdout)["etcd"]["members"]
        return {one["name"]: not one["learner"] for one in told}

    def front(self) -> str:
        """Who holds the region's address."""
        return next(node.name for node in self.region.status().nodes if node.front)

    def leader(self) -> int:
        """The number of the node whose member leads."""
        for name in self.members():
            number = int(name.rpartition("-")[2])
            if "etcd_server_is_leader 1" in self.sh(number, _METRICS).stdout:
                return number
        raise AssertionError("nobody leads")

    def named(self, *numbers: int) -> set[str]:
        return {self.node(number) for number in numbers}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdBed]:
    with standing(EtcdBed(tmp_path_factory.mktemp("fleet"))) as made:
        yield made


def test_one_server_on_sqlite_becomes_three_though_the_controller_is_killed_twice(bed: EtcdBed) -> None:
    assert bed.servers() == bed.named(1)
    cluster = bed.begun()
    bed.wanted = 3
    bed.write()
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        for step in ("migrate", "join server"):
            process = bed.start("region", "up", "home")
            wait_for(process, step)
            kill_group(process)
        bed.must("region", "up", "home")
        print(f"1 → 3 servers, two kills: {time.monotonic() - began:.1f} s")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    assert bed.servers() == bed.named(1, 2, 3)
    assert bed.members() == dict.fromkeys(bed.named(1, 2, 3), True)
    assert bed.begun() == cluster
    status = bed.region.status()
    assert (status.ready, status.why) == (True, ())
    assert "three servers: any one of them may be lost, the API stays" in status.survives
    assert all(bed.writes(number) for number in (1, 2, 3))


def test_the_servers_token_is_nowhere_but_with_the_servers(bed: EtcdBed) -> None:
    secret = bed.sh(1, f"cat {_WORD}").stdout.strip().rpartition("::server:")[2]
    assert len(secret) > 16
    places = "/etc /run/du-node /usr/local /var/lib/du-node /var/log"
    for number, configured in ((1, False), (2, True)):
        look = f"journalctl -q >/var/log/all; grep -rlF -f - {places} /proc/[0-9]*/cmdline; rm /var/log/all"
        expected = ["/etc/rancher/k3s/config.yaml"] if configured else []
        assert bed.sh(number, look, secret).stdout.split() == expected
    here = [path for path in (bed.folder / ".du").rglob("*") if path.is_file()]
    assert [path for path in here if secret.encode() in path.read_bytes()] == []


def test_any_server_may_be_lost_and_the_api_stays(bed: EtcdBed) -> None:
    lost = bed.leader()
    other = bed.asked = next(number for number in (1, 2, 3) if number != lost)
    print(f"copies: {bed.copies()}; the region's address: {bed.front()}")
    with Load(str(bed.region.status().vip), SHORT) as load:
        time.sleep(2)
        lxc("stop", "--force", bed.node(lost))
        away = bed.longest_without(other, 40)
        status = bed.region.status()
    print(f"node {lost}, which led etcd, lost: {away:.1f} s without a write by another's API; requests: {load.report}")
    assert away < _API_SECONDS
    assert load.report.gap <= _GAP_SECONDS, str(load.report)
    assert not status.ready
    assert "1 of them not well: the loss of one more takes the API away" in status.survives


def test_the_lost_server_is_replaced_though_the_controller_is_killed_on_the_way(bed: EtcdBed) -> None:
    (lost,) = bed.named(1, 2, 3) - {name for name, ready in bed.ready().items() if ready}
    rest = bed.named(1, 2, 3, 4) - {lost}
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        process = bed.start("node", "replace", lost, "--yes")
        wait_for(process, "join server")
        kill_group(process)
        bed.must("region", "up", "home")
        print(f"a dead server replaced, the controller killed: {time.monotonic() - began:.1f} s")
    print(load.report)
    assert load.report.gap <= _GAP_SECONDS, str(load.report)
    assert (bed.servers(), set(bed.members())) == (rest, rest)
    assert set(bed.ready()) == set(bed.passwords()) == set(bed.instances()) == rest
    assert bed.region.status().ready


def test_three_servers_become_one_though_the_controller_is_killed_on_the_way(bed: EtcdBed) -> None:
    bed.wanted = 1
    bed.write()
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        process = bed.start("region", "up", "home")
        wait_for(process, "annotate removal")
        kill_group(process)
        bed.must("region", "up", "home")
        print(f"3 → 1 servers, a kill: {time.monotonic() - began:.1f} s")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    bed.asked = next(number for number in (1, 2, 3, 4) if bed.writes(number))
    assert bed.servers() == set(bed.members()) == {bed.node(bed.asked)}
    assert set(bed.ready().values()) == {True}
    assert "one server and 2 agents" in bed.region.status().survives


def test_the_only_server_gets_a_successor(bed: EtcdBed) -> None:
    old, cluster = bed.node(bed.asked), bed.begun()
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        bed.must("node", "replace", old, "--yes")
        print(f"the only server replaced: {time.monotonic() - began:.1f} s")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    bed.asked = 5
    assert bed.servers() == set(bed.members()) == bed.named(5)
    assert old not in bed.ready()
    assert old not in bed.instances()
    assert bed.begun() == cluster


def test_a_region_that_is_made_anew_begins_with_three_servers(bed: EtcdBed) -> None:
    bed.region.down()
    bed.wanted = 3
    bed.write()
    process = bed.start("region", "up", "home")
    wait_for(process, "join server")
    kill_group(process)
    began = time.monotonic()
    bed.must("region", "up", "home")
    print(f"three servers from the beginning, after a kill: {time.monotonic() - began:.1f} s")
    number = bed.counter()
    bed.asked = number
    assert bed.servers() == set(bed.members()) == bed.named(number - 2, number - 1, number)
    assert bed.region.status().ready
