"""A region of three servers on etcd loses two of them for good, then all three; a person agrees, and it goes on.

By the command line alone, the first under load through the region's address.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.k3s.region_bed import standing, wait_for
from tests.k3s.test_three_servers import EtcdBed
from tests.region.conftest import kill_group, lxc

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdBed]:
    made = EtcdBed(tmp_path_factory.mktemp("fleet"))
    made.wanted = 3
    with standing(made):
        yield made


def containers(bed: EtcdBed, number: int) -> set[str]:
    """What runs on a node, as its containerd has it: the API may be away."""
    rows = bed.sh(number, "k3s ctr tasks ls").stdout.splitlines()
    return {row.split()[0] for row in rows if "RUNNING" in row}


def go_on(bed: EtcdBed, process: subprocess.Popen[str]) -> None:
    """To the end of a restore; one whose work had been done when it looked says so, and ``region up`` goes on."""
    _, said = process.communicate(timeout=900)
    if process.returncode == 4 and "the cluster's API answers" in said:
        bed.must("region", "up", "home")
    else:
        assert process.returncode == 0, said


def test_the_one_server_of_three_that_is_left_goes_on_though_the_controller_is_killed(bed: EtcdBed) -> None:
    cluster, survivor = bed.begun(), 3
    bed.kubectl("create configmap told --from-literal=last=word")
    lxc("delete", "--force", bed.node(1))
    lxc("stop", "--force", bed.node(2))
    pods = containers(bed, survivor)
    asked = bed.run("region", "restore", "home", timeout=300)
    assert asked.returncode == 4, "nobody is there to ask"
    assert f"{bed.node(survivor)} has the cluster's data" in asked.stderr, asked.stderr
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        process = bed.start("region", "restore", "home", "--yes")
        wait_for(process, "its etcd forgets all other members")
        kill_group(process)
        process = bed.start("region", "restore", "home", "--yes")
        while not bed.writes(survivor):
            assert time.monotonic() - began < 300
        api, still = time.monotonic() - began, containers(bed, survivor)
        go_on(bed, process)
        print(f"reset to one of three: API after {api:.1f} s, three servers after {time.monotonic() - began:.1f} s")
    print(load.report)
    bed.asked = survivor
    assert bed.begun() == cluster
    assert bed.kubectl("get configmap told -o jsonpath='{.data.last}'") == "word", "nothing that it had is lost"
    assert len(bed.servers()) == 3
    assert bed.servers() == set(bed.members()) == set(bed.ready()) == set(bed.passwords()) == set(bed.instances())
    assert {*bed.ready().values(), *bed.members().values()} == {True}
    assert pods
    assert pods <= still, "pods run on meanwhile"
    assert load.report.lost == 0, bed.events() + bed.refused(survivor)
    status = bed.region.status()
    assert (status.ready, status.why) == (True, ())
    assert "three servers: any one of them may be lost, the API stays" in status.survives


def test_all_servers_lost_go_back_to_the_backup_of_etcd(bed: EtcdBed) -> None:
    cluster = bed.begun()
    bed.kubectl("create configmap kept --from-literal=it=is-kept")
    bed.must("region", "backup", "home")
    bed.kubectl("create configmap later --from-literal=it=is-lost")
    for name in bed.instances():
        lxc("delete", "--force", name)
    began = time.monotonic()
    process = bed.start("region", "restore", "home", "--yes")
    wait_for(process, "the backup's files are laid into their places")
    kill_group(process)
    go_on(bed, bed.start("region", "restore", "home", "--yes"))
    print(f"three servers restored of a backup, after a kill: {time.monotonic() - began:.1f} s")
    bed.asked = bed.counter()
    assert bed.begun() == cluster
    there = bed.kubectl("get configmaps -o name").split()
    assert ("configmap/kept" in there, "configmap/later" in there) == (True, False)
    assert len(bed.servers()) == 3
    assert bed.servers() == set(bed.members()) == set(bed.ready()) == set(bed.passwords()) == set(bed.instances())
    assert bed.region.status().ready
    bed.must("release", "start", "hello", "v2", "--yes")
