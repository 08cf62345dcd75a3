"""A region of two 1C1G nodes on an external PostgreSQL: either may be lost, and the API stays.

By the command line alone, under load through the region's address. The tests build on one another, top to bottom.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.k3s import build
from tests.k3s.bed import HELLO
from tests.k3s.postgres import Postgres, postgres
from tests.k3s.region_bed import standing, wait_for
from tests.k3s.several import SeveralServers
from tests.region.conftest import kill_group, lxc

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(2400)]

_API_SECONDS = 15.0
_GAP_SECONDS = 6.0


class ExternalBed(SeveralServers):
    """Its servers are on an external datastore, unless it is said otherwise."""

    def write(self, *, nodes: int = 2, external: bool = True, **_: object) -> None:
        datastore = ", datastore: {file: datastore}" if external else ""
        k3s = f"{{version: {build.version()}, from: k3s{datastore}}}"
        home = f"{{provider: lxd, runtime: k3s, k3s: {k3s}, pool: {{nodes: {nodes}, boot_timeout: 5m}}}}"
        hello = f"{{image: {HELLO}, tag: v1, port: 8080, release: {{observe: 1s}}}}"
        self.file.write_text(f"fleet: {self.name}\nregions:\n  home: {home}\nservices: {{hello: {hello}}}\n")

    @property
    def pair(self) -> tuple[int, int]:
        """The numbers of the region's two nodes: a replaced one has another."""
        first, second = sorted(int(node.name.rpartition("-")[2]) for node in self.region.nodes())
        return first, second

    def tell(self, endpoint: str) -> None:
        """Put the datastore's address where fleet.yaml says that it is."""
        file = self.folder / "datastore"
        file.touch(mode=0o600)
        file.write_text(endpoint + "\n")


@pytest.fixture(scope="module")
def store() -> Iterator[Postgres]:
    with postgres() as made:
        yield made


@pytest.fixture(scope="module")
def bed(store: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExternalBed]:
    made = ExternalBed(tmp_path_factory.mktemp("fleet"))
    made.tell(store.endpoint)
    with standing(made, up=False):
        yield made


def test_two_nodes_come_up_as_two_servers_though_the_controller_is_killed_on_the_way(bed: ExternalBed) -> None:
    process = bed.start("region", "up", "home")
    wait_for(process, "join server")
    kill_group(process)
    began = time.monotonic()
    done = bed.run("region", "up", "home", "--output", "json", timeout=900)
    assert done.returncode == 0, done.stderr
    print(f"up after the kill: {time.monotonic() - began:.1f} s, {json.loads(done.stdout)['seconds']}")
    assert bed.ready() == {bed.node(1): True, bed.node(2): True}
    assert bed.servers() == {bed.node(1), bed.node(2)}
    status = bed.region.status()
    assert (status.ready, status.why) == (True, ())
    assert "two servers on an external datastore: all but one may be lost" in status.survives
    assert "version v1" in bed.get()[1]


def test_the_password_is_nowhere_but_in_a_file_for_root_alone(bed: ExternalBed, store: Postgres) -> None:
    here = ["grep", "-rlF", store.password, str(bed.folder)]
    found = subprocess.run(here, capture_output=True, text=True, check=False).stdout.split()
    assert found == [str(bed.folder / "datastore")]
    for number in (1, 2):
        places = "/etc /run/du-node /usr/local /var/lib/du-node /var/lib/rancher/k3s/server /var/log"
        look = f"journalctl -q >/var/log/all; grep -rlF -f - {places} /proc/[0-9]*/cmdline; rm /var/log/all"
        assert bed.sh(number, look, store.password).stdout.split() == ["/etc/rancher/k3s/config.yaml"]
        assert bed.sh(number, "stat -c '%a %U' /etc/rancher/k3s/config.yaml").stdout.strip() == "600 root"
    token = (bed.folder / ".du/regions/home/k3s-token").read_text().strip()
    logs = ["grep", "-rlF", token, str(bed.folder)]
    found = subprocess.run(logs, capture_output=True, text=True, check=False).stdout.split()
    assert found == [str(bed.folder / ".du/regions/home/k3s-token")]


def test_du_node_asks_the_other_server_where_its_own_does_not_answer(bed: ExternalBed) -> None:
    rule = "add rule inet dutest input iifname lo tcp dport 6443 reject with tcp reset"
    chain = "add chain inet dutest input { type filter hook input priority -10; }"
    bed.sh(1, "nft -f -", f"add table inet dutest\n{chain}\n{rule}\n")
    try:
        assert bed.sh(1, "k3s kubectl --request-timeout=2s get --raw /readyz").returncode != 0
        began = time.monotonic()
        told = json.loads(bed.sh(1, "du-node status").stdout)
        print(f"du-node's status by the other server: {time.monotonic() - began:.1f} s")
        assert [(one["name"], one["ready"]) for one in told["services"]] == [("hello", True)]
    finally:
        bed.sh(1, "nft delete table inet dutest")
    assert bed.writes(1)


def test_a_lost_server_is_replaced_though_the_controller_is_killed_on_the_way(bed: ExternalBed) -> None:
    bed.asked = 1
    cluster = bed.begun()
    with Load(str(bed.region.status().vip), SHORT) as load:
        away = _lose(bed, 2, 1)
        status = bed.region.status()
        began = time.monotonic()
        process = bed.start("node", "replace", bed.node(2), "--yes")
        wait_for(process, "join server")
        kill_group(process)
        bed.must("region", "up", "home")
        print(f"a dead server replaced, the controller killed: {time.monotonic() - began:.1f} s")
    print(f"{away:.1f} s without a write by the other's API; {load.report}")
    assert away < _API_SECONDS
    assert load.report.gap <= _GAP_SECONDS, bed.events()
    assert not status.ready
    assert "one server on an external datastore" in status.survives
    assert bed.ready() == {bed.node(1): True, bed.node(3): True}
    assert bed.servers() == {bed.node(1), bed.node(3)}
    assert bed.passwords() == [bed.node(1), bed.node(3)]
    assert bed.instances() == [bed.node(1), bed.node(3)]
    assert bed.begun() == cluster
    assert bed.region.status().ready


def test_the_first_server_may_be_lost_as_well_and_comes_back(bed: ExternalBed) -> None:
    bed.asked = 3
    with Load(str(bed.region.status().vip), SHORT) as load:
        away = _lose(bed, 1, 3)
        told = bed.run("region", "kubeconfig", "home")
        _await_copies(bed, {bed.node(3): 2})
        lxc("start", bed.node(1))
        _await(bed, bed.node(1))
    print(f"{away:.1f} s without a write by the other's API; {load.report}")
    assert away < _API_SECONDS
    assert load.report.gap <= _GAP_SECONDS, bed.events()
    address = next(node.address for node in bed.region.nodes() if node.name == bed.node(3))
    assert f"https://{address}:6443" in told.stdout, told.stderr


def test_a_node_that_was_away_has_a_copy_again_and_no_request_is_lost_for_it(bed: ExternalBed) -> None:
    assert _crowded(bed) == f"{bed.node(1)} has no copy, and {bed.node(3)} more than one"
    assert f"all copies of hello are on {bed.node(3)}" in bed.region.status().survives
    assert bed.copies() == {bed.node(3): 2}
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        bed.must("region", "up", "home")
        print(f"spread again: region up, {time.monotonic() - began:.1f} s")
    print(load.report)
    assert load.report.lost == 0, str(load.report)
    assert bed.copies() == {bed.node(1): 1, bed.node(3): 1}
    assert bed.region.status().services[0].crowded == ""


def test_then_the_other_may_be_lost_right_after(bed: ExternalBed) -> None:
    bed.asked, other = bed.pair
    with Load(str(bed.region.status().vip), SHORT) as load:
        away = _lose(bed, other, bed.asked)
        _await_copies(bed, {bed.node(bed.asked): 2})
        lxc("start", bed.node(other))
        _await(bed, bed.node(other))
    print(f"{away:.1f} s without a write by the other's API; {load.report}")
    assert load.report.gap <= _GAP_SECONDS, bed.events()


def test_control_run_spreads_copies_too(bed: ExternalBed) -> None:
    assert _crowded(bed)
    done = bed.run("control", "run", "--once", timeout=300)
    assert done.returncode == 0, done.stderr
    assert "hello: each node has a copy again" in done.stdout
    assert bed.copies() == {bed.node(number): 1 for number in bed.pair}


def test_a_new_password_is_put_into_use_by_the_next_region_up(bed: ExternalBed, store: Postgres) -> None:
    store.give_password()
    bed.tell(store.endpoint)
    began = time.monotonic()
    bed.must("region", "up", "home")
    print(f"a new password in use: {time.monotonic() - began:.1f} s")
    store.cut()
    for number in bed.pair:
        config = json.loads(bed.sh(number, "cat /etc/rancher/k3s/config.yaml").stdout)
        assert config["datastore-endpoint"] == store.endpoint
        _await_write(bed, number)
    assert bed.region.status().ready


def test_while_the_datastore_is_away_no_request_is_lost_and_then_the_api_is_back(
    bed: ExternalBed, store: Postgres
) -> None:
    with Load(str(bed.region.status().vip), SHORT) as load:
        store.stop()
        time.sleep(20)
        assert not bed.writes(1)
        store.start()
        began = time.monotonic()
        for number in bed.pair:
            _await_write(bed, number)
        print(f"both servers' API is back {time.monotonic() - began:.1f} s after the datastore")
    print(load.report)
    assert load.report.lost == 0, str(load.report)


def test_what_cannot_be_asked_for_is_refused_and_changes_nothing(bed: ExternalBed, store: Postgres) -> None:
    bed.write(external=False)
    done = bed.run("region", "up", "home")
    assert done.returncode == 4, done.stderr
    assert "does not move to its servers' own disks" in done.stderr
    bed.write()
    bed.tell(store.endpoint.replace("/k3s?", "/another?"))
    done = bed.run("region", "up", "home", timeout=600)
    assert done.returncode == 5, done.stderr
    assert "does not move along" in done.stderr
    assert store.password not in done.stderr
    bed.tell(store.endpoint)
    assert bed.region.status().ready


def test_a_server_leaves_and_the_other_goes_on_alone(bed: ExternalBed) -> None:
    vip, began = str(bed.region.status().vip), time.time()
    with Load(vip, SHORT) as load:
        said = bed.timed("region", "scale", "home", "1", "--yes")
        print(f"one server left: {time.time() - began:.1f} s, from {time.strftime('%H:%M:%SZ', time.gmtime(began))} on")
    print(load.report)
    assert load.report.lost == 0, said + bed.events() + bed.refused(1)
    assert bed.ready() == {bed.node(1): True}
    assert bed.passwords() == [bed.node(1)]
    assert "until another has joined" in bed.region.status().survives


def _lose(bed: ExternalBed, lost: int, other: int) -> float:
    """Cut a node's power; the longest time without a write by the other's API until it is known to be lost."""
    time.sleep(2)
    lxc("stop", "--force", bed.node(lost))
    away = bed.longest_without(other, 36)
    assert not bed.ready()[bed.node(lost)]
    return away


def _await_copies(bed: ExternalBed, wanted: dict[str, int], seconds: float = 90) -> None:
    """A node is known to be lost for a while before its copies are started elsewhere."""
    deadline = time.monotonic() + seconds
    while (found := bed.copies()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(1)


def _crowded(bed: ExternalBed, seconds: float = 90) -> str:
    """Which nodes have no copy, once the copies that moved are at rest."""
    deadline = time.monotonic() + seconds
    while not (found := bed.region.status().services[0].crowded):
        assert time.monotonic() < deadline, bed.copies()
        time.sleep(1)
    return found


def _await_write(bed: ExternalBed, number: int, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not bed.writes(number):
        assert time.monotonic() < deadline
        time.sleep(0.5)


def _await(bed: ExternalBed, name: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not bed.ready()[name]:
        assert time.monotonic() < deadline
        time.sleep(1)
