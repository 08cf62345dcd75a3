"""A region moves under load that finds it by its name; the command is killed on the way, and the same one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time

import pytest

import du_infra
from du_infra.spec import load_spec
from tests.gtm.globe import REGIONS, Globe
from tests.region.conftest import DU

pytestmark = [pytest.mark.lxd, pytest.mark.slow, pytest.mark.timeout(1800)]

MINUTES = 15


@pytest.fixture(scope="module")
def globe(world: Globe) -> Globe:
    world.settle({"ams": 40, "fra": 30, "nyc": 30})
    more = "  canary: [5, 25, 50, 100]\n  soak: 5s\n  hold: 3s\n  min_requests: 0\n"
    world.write("ams: 40, fra: 30, nyc: 30", more)
    return world


def move(globe: Globe) -> subprocess.Popen[str]:
    words = ["region", "move", "nyc", "--provider", "lxd", "--as", "bos", "--yes", "--fleet", str(globe.file)]
    return subprocess.Popen([*DU, *words], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


def test_a_region_moves_under_load_killed_on_the_way_and_no_request_is_lost(globe: Globe) -> None:
    began, gone = time.monotonic(), globe.addresses["nyc"]
    with globe.load(clients=60).running() as load:
        first = move(globe)
        globe.until(lambda: globe.record().shares().get("bos", 0) > 0, 60 * MINUTES, "requests go over")
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
        killed = time.monotonic()
        assert globe.record().shares()["nyc"] > 0
        second = move(globe)
        _, told = second.communicate(timeout=60 * MINUTES)
        assert second.returncode == 0, told
        ended = time.monotonic()
        time.sleep(5)
    last = max(one.at for one in load.requests if one.address == gone)
    failed = [one for one in load.requests if not one.ok]
    print(f"\nto the kill {killed - began:.0f} s, then {ended - killed:.0f} s")
    print(f"nyc was asked last {ended - last:.0f} s before the end")
    print(f"{len(failed)} of {len(load.requests)} requests failed; {len(load.wrong)} answers wrong")
    spec = load_spec(globe.file)
    assert spec.traffic is not None
    assert (list(spec.regions), spec.traffic.weights) == (["ams", "fra", "bos"], {"ams": 40, "fra": 30, "bos": 30})
    assert {name: one.weight for name, one in globe.record().endpoints.items()} == {"ams": 40, "fra": 30, "bos": 30}
    assert not any("-nyc-" in name for name in globe.bed.instances())
    assert du_infra.load(globe.file).region("bos").status().ready
    assert failed == []
    assert load.wrong == []
    assert set(REGIONS) - set(spec.regions) == {"nyc"}
