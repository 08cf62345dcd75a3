"""One node becomes five, two, four, under load; nothing is lost. (1 → 3 → 2 is in tests/region/test_pool.py.)"""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from bench.load.runner import Load
from tests.faults.pool.agree import SHORT
from tests.faults.pool.stage import PoolStage
from tests.region.conftest import Bed

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("gateway", ["nginx", "envoy"])
def test_one_five_two_four(make_bed: Callable[[], Bed], gateway: str) -> None:
    stage = PoolStage(make_bed(), gateway)
    stage.up(1)
    for before, after in ((1, 5), (5, 2), (2, 4)):
        began = time.monotonic()
        with Load(stage.vip, SHORT) as load:
            stage.have(after)
        print(f"{gateway} {before} → {after} in {time.monotonic() - began:.0f} s: {load.report}")
        assert load.report.lost == 0, str(load.report)
