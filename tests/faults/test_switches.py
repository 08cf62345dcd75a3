"""Switch after switch under load, in every gateway: not one request is lost. A hundred of them in `make faults`."""

from __future__ import annotations

import time

import pytest

from bench.load.runner import Load
from tests.faults.choice import SWITCHES, stages
from tests.faults.stage import LOAD, Stage

pytestmark = pytest.mark.lxd


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("stage", stages(short=2), indirect=True, ids="-".join)
def test_no_switch_loses_a_request(stage: Stage) -> None:
    with Load(stage.vip, LOAD, seconds=3600) as load:
        time.sleep(1.0)
        for _ in range(SWITCHES):
            process = stage.release(stage.next_tag(), "--observe", "0s", "--canary", "none")
            _, words = process.communicate(timeout=120)
            assert process.returncode == 0, words
        time.sleep(1.0)
    print(f"{SWITCHES} switches on {stage.runtime}, {stage.gateway}: {load.report}")
    assert load.report.requests > 20 * SWITCHES
    assert load.report.lost == 0, str(load.report)
    stage.settle()
