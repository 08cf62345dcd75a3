"""Histories for tests: a sample each ten seconds, which all nodes told."""

from __future__ import annotations

from typing import Any

from du_infra.autoscale.state import Metric, Sample, Settings

NOW = 100_000.0


def settings(least: int = 1, most: int = 8, targets: dict[Metric, float] | None = None, **more: Any) -> Settings:
    return Settings(least, most, targets or {"cpu": 60.0}, **more)


def history(seconds: float, nodes: int = 3, *, until: float = NOW, every: float = 10.0, **values: Any) -> list[Sample]:
    """Samples of the ``seconds`` before ``until``, all the same, the oldest first."""
    count = int(seconds / every)
    return [Sample(until - every * step, nodes, **values) for step in reversed(range(count))]
