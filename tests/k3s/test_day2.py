"""A region on K3s after its first day: backups, another version under load, one that does not come up, a lost server.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.k3s.region_bed import K3sBed, standing, wait_for
from tests.k3s.release import architecture, program_name, release, sums
from tests.region.conftest import kill_group, lxc

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(1800)]

NEW, BROKEN = "v1.34.5+k3s1-standin", "v1.34.6+k3s1-standin"

# It says a version, as a release that is damaged or does not fit the machine might, and never comes up.
_BROKEN = f"""#!/bin/sh
[ "$1" = --version ] && {{ echo "k3s version {BROKEN} (0)"; exit 0; }}
echo 'level=fatal msg="this machine is not supported"' >&2; exit 1
"""


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[K3sBed]:
    made = K3sBed(tmp_path_factory.mktemp("fleet"))
    release(made.folder / "k3s-new", named=NEW)
    with standing(made, nodes=2, hello=True):
        yield made


def versions(bed: K3sBed) -> dict[str, str]:
    found = json.loads(bed.kubectl("get nodes -o json"))["items"]
    return {one["metadata"]["name"]: one["status"]["nodeInfo"]["kubeletVersion"] for one in found}


def findings(bed: K3sBed) -> list[str]:
    """What the doctor says; how full this machine's disk is does not count."""
    told = json.loads(bed.run("region", "doctor", "home", "--output", "json").stdout)
    print(told["findings"])
    return [one["what"] for one in told["findings"] if not one["what"].startswith("/")]


def test_a_backup_is_made_while_k3s_runs_and_read_back(bed: K3sBed) -> None:
    began = time.monotonic()
    told = json.loads(bed.must("region", "backup", "home", "--output", "json"))
    print(f"backup: {time.monotonic() - began:.1f} s, {told['backup']['size']} bytes")
    assert told["backup"]["verified"]
    file = Path(told["file"])
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.stat().st_size == told["backup"]["size"]
    (listed,) = json.loads(bed.must("region", "backup", "home", "--list", "--output", "json"))
    assert listed == told["backup"]
    assert bed.sh(1, "ls /var/lib/du-node/k3s-backup").returncode != 0, "no copy is left on the node"
    refused = bed.sh(2, "du-node k3s backup")
    assert (refused.returncode, json.loads(refused.stdout)["error"]) == (5, "refused")
    assert findings(bed) == []


def test_another_version_is_put_into_use_under_load_though_the_controller_is_killed(bed: K3sBed) -> None:
    cluster = bed.begun()
    bed.write(nodes=2, hello=True, version=NEW, folder="k3s-new")
    began = time.monotonic()
    with Load(str(bed.region.status().vip), SHORT) as load:
        process = bed.start("region", "up", "home")
        wait_for(process, f"K3s starts again as {NEW}")
        kill_group(process)
        bed.must("region", "up", "home")
    print(f"two nodes upgraded in {time.monotonic() - began:.1f} s: {load.report}")
    assert versions(bed) == {bed.node(1): NEW, bed.node(2): NEW}
    assert (bed.begun(), bed.ready()) == (cluster, {bed.node(1): True, bed.node(2): True})
    assert load.report.lost == 0, str(load.report)
    assert bed.sh(1, "ls /usr/local/lib/du-infra/k3s-next /usr/local/lib/du-infra/k3s-before").stdout == ""
    assert bed.region.status().ready


def test_one_that_does_not_come_up_goes_back_and_the_error_says_so(bed: K3sBed) -> None:
    broken = bed.folder / "k3s-broken"
    broken.mkdir()
    (broken / program_name()).write_text(_BROKEN)
    images = f"k3s-airgap-images-{architecture()}.tar"
    (broken / images).hardlink_to(bed.folder / "k3s-new" / images)
    sums(broken)
    bed.write(nodes=2, hello=True, version=BROKEN, folder="k3s-broken")
    with Load(str(bed.region.status().vip), SHORT) as load:
        done = bed.run("region", "up", "home", timeout=900)
    assert done.returncode == 6, done.stderr
    assert f"{NEW} is back in its place and runs" in done.stderr
    assert "this machine is not supported" in done.stderr
    assert load.report.lost == 0, str(load.report)
    assert versions(bed) == {bed.node(1): NEW, bed.node(2): NEW}
    assert f"K3s {BROKEN} waits to take {NEW}'s place" in findings(bed)
    bed.write(nodes=2, hello=True, version=NEW, folder="k3s-new")
    bed.must("region", "up", "home")
    assert bed.region.status().ready
    assert not any("waits" in what for what in findings(bed))


def test_a_region_that_lost_its_server_goes_back_to_its_backup_and_the_agents_pods_run_on(bed: K3sBed) -> None:
    cluster = bed.begun()
    bed.must("region", "backup", "home")
    before = json.loads(bed.kubectl("get pods -n du-infra -o json --field-selector spec.nodeName=" + bed.node(2)))
    started = {one["status"]["containerStatuses"][0]["containerID"] for one in before["items"]}
    assert started
    lxc("delete", "--force", bed.node(1))
    done = bed.run("region", "up", "home", timeout=900)
    assert done.returncode == 4, done.stderr
    assert "region restore home" in done.stderr
    with Load(str(bed.region.status().vip), SHORT) as load:
        began = time.monotonic()
        bed.must("region", "restore", "home", "--yes")
        print(f"restored in {time.monotonic() - began:.1f} s")
    print(load.report)
    server, agent = bed.node(3), bed.node(2)
    bed.first = 3
    assert bed.begun() == cluster, "the same cluster"
    assert bed.ready() == {agent: True, server: True}
    assert bed.passwords() == [agent, server]
    after = json.loads(bed.kubectl(f"get pods -n du-infra -o json --field-selector spec.nodeName={agent}"))
    running = {one["status"]["containerStatuses"][0]["containerID"] for one in after["items"]}
    assert started <= running, "the agent's containers are those from before"
    assert bed.region.status().ready
    bed.must("release", "start", "hello", "v2", "--yes")
    assert load.report.lost == 0, str(load.report)
