"""What one minute asks for, target by target."""

from __future__ import annotations

import pytest

from du_infra.autoscale.advice import advise, knows_all, missing
from du_infra.autoscale.state import Metric, Sample
from tests.unit.autoscale.samples import settings


def asked(sample: Sample, **targets: float) -> int:
    known: dict[Metric, float] = dict(targets.items())  # type: ignore[arg-type]
    return advise(sample, settings(targets=known))[0].nodes


@pytest.mark.parametrize(
    ("nodes", "cpu", "wanted"),
    [
        (3, 60, 3),
        (3, 66, 3),  # within 10 %
        (3, 54, 3),
        (3, 67, 4),
        (3, 100, 5),
        (4, 45, 3),
        (4, 46, 4),  # 3.07 nodes would be needed: rounded up
        (10, 6, 1),
        (1, 0, 1),
        (50, 100, 84),
    ],
)
def test_shared_load_follows_the_ratio_rounded_up(nodes: int, cpu: float, wanted: int) -> None:
    assert asked(Sample(0, nodes, cpu=cpu), cpu=60) == wanted


@pytest.mark.parametrize(
    ("p95", "cpu", "wanted"),
    [
        (310, 90, 4),  # a node more, not 5
        (210, 90, 3),
        (900, 100, 7),
        (150, 50, 3),
        (100, 40, 2),  # 1.5 times the load on two: 100 x 0.6 / 0.4 = 150 ms
        (115, 40, 3),  # 172 ms would be too near
        (30, 60, 3),  # two would be at 90 % of a CPU: nobody can say what happens there
        (30, 10, 2),  # one at a time
    ],
)
def test_latency_is_careful_both_ways(p95: float, cpu: float, wanted: int) -> None:
    assert asked(Sample(0, 3, cpu=cpu, p95=p95), p95=200) == wanted


def test_without_a_measure_of_the_cpu_a_low_latency_takes_no_node_away() -> None:
    assert asked(Sample(0, 3, p95=10), p95=200) == 3


def test_hardly_any_requests_ask_for_one_node_less() -> None:
    assert asked(Sample(0, 3, rps=0.1, p95=None), p95=200) == 2
    assert asked(Sample(0, 1, rps=0.0, p95=None), p95=200) == 1
    assert asked(Sample(0, 3, rps=20, p95=None), p95=200) == 3  # they failed, all of them


def test_the_target_that_asks_for_most_decides() -> None:
    sample = Sample(0, 3, cpu=20, rps=150, p95=100)
    found = advise(sample, settings(targets={"cpu": 60.0, "rps": 100.0, "p95": 200.0}))
    assert [(advice.metric, advice.nodes) for advice in found] == [("rps", 5), ("p95", 2), ("cpu", 1)]


def test_a_node_that_tells_nothing_has_nothing_to_do_when_growing_and_all_of_it_when_shrinking() -> None:
    assert asked(Sample(0, 4, silent=1, cpu=100), cpu=60) == 5  # 75 % of four, not 100 %
    assert asked(Sample(0, 4, silent=1, cpu=10), cpu=60) == 4
    assert asked(Sample(0, 4, silent=4), cpu=60) == 4


@pytest.mark.parametrize("target", ["cpu", "memory", "pressure", "rps", "p95"])
def test_a_target_without_a_measure_asks_for_what_is_there(target: Metric) -> None:
    sample = Sample(0, 4)
    found = settings(targets={target: 50.0})
    assert list(missing(sample, found)) == [target]
    assert not knows_all(sample, found)
    assert advise(sample, found)[0].nodes == 4


def test_one_target_without_a_measure_keeps_what_the_others_would_take_away() -> None:
    both: dict[Metric, float] = {"cpu": 60.0, "pressure": 5.0}
    assert advise(Sample(0, 4, cpu=10), settings(targets=both))[0].nodes == 4
    assert advise(Sample(0, 4, cpu=10, pressure=0.0), settings(targets=both))[0].nodes == 1
    assert advise(Sample(0, 4, cpu=90), settings(targets=both))[0].nodes == 6
