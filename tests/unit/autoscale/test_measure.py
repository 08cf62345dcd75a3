"""One sample from what the nodes say; settings from fleet.yaml."""

from __future__ import annotations

from typing import Any

import pytest

from du_infra.autoscale.measure import sample_of, settings_of
from du_infra.autoscale.state import Sample, Settings
from du_infra.health.state import NodeReport
from du_infra.spec import AutoscaleSpec, Duration, Percent, PoolSpec

BUSY = {"cpu_percent": 80.0, "memory_percent": 50.0, "rps": 90.0, "pressure": 2.0, "cpu_pressure": 9.0, "p95_ms": 300.0}
IDLE = {"cpu_percent": 10.0, "memory_percent": 40.0, "rps": 10.0, "pressure": 0.0, "cpu_pressure": 0.0, "p95_ms": 20.0}


def node(name: str, load: dict[str, float], **more: Any) -> NodeReport:
    return NodeReport(name, "198.18.1.2", load=load, **{"ready": True, **more})


def test_measures_are_means_and_the_p95_goes_by_requests() -> None:
    found = sample_of(["a", "b"], [node("a", BUSY), node("b", IDLE)], 7.0)
    assert found == Sample(7.0, 2, 0, 45.0, 45.0, 1.0, 50.0, 272.0)


@pytest.mark.parametrize(
    "other",
    [
        node("b", IDLE, ready=False),
        node("b", IDLE, draining=True),
        node("b", IDLE, reachable=False),
        node("b", {}),
        node("b", {"cpu_percent": 1.0, "memory_percent": 1.0}),
        node("stranger", IDLE),
    ],
)
def test_a_node_that_does_not_serve_or_does_not_know_is_silent(other: NodeReport) -> None:
    found = sample_of(["a", "b"], [node("a", BUSY), other], 7.0)
    assert (found.nodes, found.silent, found.cpu, found.p95) == (2, 1, 80.0, 300.0)


def test_what_one_node_does_not_have_is_not_known() -> None:
    without = {key: value for key, value in IDLE.items() if key not in ("pressure", "p95_ms")}
    found = sample_of(["a", "b"], [node("a", BUSY), node("b", without)], 7.0)
    assert (found.silent, found.pressure, found.p95) == (0, None, 300.0)


def test_nobody_tells_anything() -> None:
    assert sample_of(["a"], [], 7.0) == Sample(7.0, 1, 1)
    assert sample_of([], [], 7.0) == Sample(7.0, 0, 0)


def test_settings_are_those_of_fleet_yaml_in_the_planners_units() -> None:
    spec = AutoscaleSpec(cpu=Percent("60%"), p95=Duration("200ms"), down_after=Duration("10m"))
    found = settings_of(PoolSpec(min=2, max=5, autoscale=spec), spec)
    assert found == Settings(2, 5, {"cpu": 60.0, "p95": 200.0}, 60.0, 600.0, 120.0, 0.1)
