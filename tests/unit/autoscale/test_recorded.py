"""The load of a real run (bench.autoscale record) played to the simulation: the same planner, the same numbers."""

from __future__ import annotations

import json
from pathlib import Path

from du_infra.autoscale.simulate import Service, recorded, run, turns
from tests.unit.autoscale.samples import settings

REAL = json.loads((Path(__file__).parent / "recorded.json").read_text(encoding="utf-8"))
LOAD = recorded([(point["second"], point["asked"]) for point in REAL["points"]])


def test_the_real_region_grew_and_shrank_and_lost_nothing() -> None:
    sizes = [point["nodes"] for point in REAL["points"]]
    assert (sizes[0], max(sizes), sizes[-1]) == (1, 3, 1)
    assert REAL["failed"] == []


def test_the_simulation_comes_to_as_many_nodes_as_the_real_region_did() -> None:
    wanted = settings(1, 3, {"rps": REAL["rps_target"]}, up_after=30.0, down_after=60.0, cooldown=30.0)
    points = run(LOAD, wanted, seconds=REAL["points"][-1]["second"], service=Service(capacity=200, boot=30))
    assert max(point.nodes for point in points) == max(point["nodes"] for point in REAL["points"])
    assert points[-1].nodes == 1
    assert turns(points) <= 1
