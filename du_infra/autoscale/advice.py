"""How many nodes one minute's measures ask for, target by target. Pure.

Load that spreads over the nodes (CPU, memory, pressure, requests) follows target tracking: nodes x measure / target,
rounded up, and no change within the tolerance. It is the rule of Kubernetes' HorizontalPodAutoscaler and of the cloud
providers' target tracking.

The p95 does not spread like that. Near saturation it grows much faster than the load, so nodes are added by the square
root of how far it is off; and a p95 far below its target does not say how much less would do. So one node goes at a
time, and only if a queue's law (time grows as 1 / (1 - utilisation)) says that those who stay keep below the target
by twice the tolerance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, sqrt

from du_infra.autoscale.state import Metric, Sample, Settings

_ROUNDING = 1e-6
_FULL = 0.8
"""Above this utilisation the p95 of fewer nodes cannot be foretold."""


@dataclass(frozen=True)
class Advice:
    """``nodes`` are what ``metric``, which was ``value`` against ``target``, asks for; ``value`` None: not known."""

    nodes: int
    metric: Metric
    value: float | None
    target: float


def advise(sample: Sample, settings: Settings) -> list[Advice]:
    """What each target asks for, the one that asks for most first. What is not known asks for what is there."""
    fewest = 1 if knows_all(sample, settings) else sample.nodes
    found = []
    for metric, target in settings.targets.items():
        value: float | None = getattr(sample, metric)
        rule = _by_p95 if metric == "p95" else _by_share
        found.append(Advice(max(rule(sample, value, target, settings), fewest), metric, value, target))
    return sorted(found, key=lambda advice: (-advice.nodes, -(advice.value or 0) / advice.target))


def knows_all(sample: Sample, settings: Settings) -> bool:
    """Whether every node told everything that is a target: only then may fewer nodes be thought of."""
    return not sample.silent and not list(missing(sample, settings))


def missing(sample: Sample, settings: Settings) -> Iterator[Metric]:
    """The targets that the sample has no measure of."""
    for metric in settings.targets:
        if getattr(sample, metric) is None and not (metric == "p95" and _quiet(sample)):
            yield metric


def _by_share(sample: Sample, value: float | None, target: float, settings: Settings) -> int:
    """Nodes that say nothing may have nothing to do: nobody is added for them."""
    if value is None:
        return sample.nodes
    told = max(0, sample.nodes - sample.silent) / sample.nodes if sample.nodes else 0.0
    ratio = value * told / target
    if abs(ratio - 1) <= settings.tolerance + _ROUNDING:
        return sample.nodes
    return max(1, ceil(sample.nodes * ratio - _ROUNDING))


def _by_p95(sample: Sample, value: float | None, target: float, settings: Settings) -> int:
    if value is None:
        return max(1, sample.nodes - 1) if _quiet(sample) else sample.nodes
    ratio = value / target
    if ratio > 1 + settings.tolerance + _ROUNDING:
        return ceil(sample.nodes * sqrt(ratio) - _ROUNDING)
    if sample.nodes > 1 and _with_one_less(sample, value) <= target / (1 + 2 * settings.tolerance):
        return sample.nodes - 1
    return sample.nodes


def _with_one_less(sample: Sample, p95: float) -> float:
    """The p95 that is to be expected with one node less; without an end where that is too much for those who stay."""
    if sample.cpu is None:
        return float("inf")
    now = min(sample.cpu / 100, 1.0)
    then = now * sample.nodes / (sample.nodes - 1)
    return p95 * (1 - now) / (1 - then) if then <= _FULL else float("inf")


def _quiet(sample: Sample) -> bool:
    """Whether there is no p95 because hardly anybody asked: du-node wants 20 answers in its minute."""
    return sample.rps is not None and sample.rps < 1
