"""Nodes of a region of three are hit in a random order, under load, with nobody there but the control loop.

Each fault has its bound on what is lost and on how long nobody answers, and the region is whole again afterwards. The
order is by DU_SEED (the same as long as nothing else is said).
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import pytest

from bench.load.runner import Load
from tests.faults.choice import ALL
from tests.faults.pool.agree import SHORT
from tests.faults.pool.harm import FAULTS, NodeFault, fault
from tests.faults.pool.stage import PoolStage
from tests.region.conftest import Bed
from tests.region.minding import Loop

pytestmark = [pytest.mark.lxd, pytest.mark.timeout(3600)]

NODES = 3
RATE = 85.0
"""Requests a second of ``SHORT``."""
WHOLE_SECONDS = 60.0
CALM_UP_SECONDS = 30.0
_BEFORE, _HARMED, _AFTER = 2.0, 4.0, 2.0


@dataclass(frozen=True)
class Hit:
    """A fault, and whether it befalls the node that holds the region's address."""

    fault: NodeFault
    whom: Literal["holder", "other"]

    def __str__(self) -> str:
        return f"{self.fault.name.replace(' ', '-')}-{self.whom}"


def hits() -> list[Hit]:
    """Every fault on both kinds of nodes, shuffled; or the short choice, of what no other test has."""
    if not ALL:
        return [Hit(fault("disk"), "holder"), Hit(fault("frozen service"), "other")]
    deck = [Hit(one, whom) for one in FAULTS for whom in ("holder", "other")]
    random.Random(int(os.environ.get("DU_SEED", "1"))).shuffle(deck)
    return deck


@pytest.fixture(scope="module", params=["nginx", "envoy"] if ALL else ["nginx"])
def stage(request: pytest.FixtureRequest, make_bed: Callable[[], Bed]) -> Iterator[PoolStage]:
    """Three nodes, minded."""
    stage = PoolStage(make_bed(), request.param, "{dead_after: 4s, per_hour: 50}")
    began = time.monotonic()
    stage.up(NODES)
    stage.whole_seconds = WHOLE_SECONDS * max(1.0, (time.monotonic() - began) / CALM_UP_SECONDS)
    loop = Loop(stage.bed, stage.whole_seconds)
    yield stage
    loop.end()


@pytest.mark.parametrize("hit", hits(), ids=str)
def test_little_is_lost_and_the_region_is_whole_again(stage: PoolStage, hit: Hit) -> None:
    names = stage.settle(NODES)
    holder = stage.holder()
    name = holder if hit.whom == "holder" else next(name for name in names if name != holder)
    with Load(stage.vip, SHORT) as load:
        time.sleep(_BEFORE)
        hit.fault.strike(name)
        struck = time.monotonic()
        time.sleep(_HARMED)
        if hit.fault.mend:
            hit.fault.mend(name)
        stage.settle(NODES, stage.whole_seconds)
        whole = time.monotonic() - struck
        time.sleep(_AFTER)
    told = load.report
    print(
        f"{stage.gateway} {hit}: whole after {whole:.1f} s; {told.lost} of {told.requests} lost, {told.gap:.2f} s away"
    )
    print(told)
    assert told.requests > 50
    assert told.lost <= RATE * hit.fault.lost, str(told)
    assert told.gap <= hit.fault.away, str(told)
