"""From what nodes say of their load to one sample of their region, and from fleet.yaml to settings. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from statistics import fmean

from du_infra.autoscale.state import Metric, Sample, Settings
from du_infra.health.state import NodeReport
from du_infra.spec import AutoscaleSpec, PoolSpec

_NEEDED = ("cpu_percent", "memory_percent", "rps")


def settings_of(pool: PoolSpec, spec: AutoscaleSpec) -> Settings:
    """The planner's settings, from fleet.yaml's."""
    shares = {"cpu": spec.cpu, "memory": spec.memory, "pressure": spec.pressure}
    targets: dict[Metric, float] = {name: share.points for name, share in shares.items() if share}  # type: ignore[misc]
    if spec.rps:
        targets["rps"] = spec.rps
    if spec.p95:
        targets["p95"] = 1000 * spec.p95.seconds
    return Settings(
        least=pool.least,
        most=pool.most,
        targets=targets,
        up_after=spec.up_after.seconds,
        down_after=spec.down_after.seconds,
        cooldown=spec.cooldown.seconds,
        tolerance=spec.tolerance.points / 100,
    )


def sample_of(nodes: Collection[str], reports: Sequence[NodeReport], when: float) -> Sample:
    """What these nodes had to do in the minute before ``when``.

    A node that does not answer, is not ready, takes no requests or does not know its own load counts as silent.
    """
    told = [report.load for report in reports if report.name in nodes and _tells(report)]
    return Sample(
        when=when,
        nodes=len(nodes),
        silent=len(nodes) - len(told),
        cpu=_mean(told, "cpu_percent"),
        memory=_mean(told, "memory_percent"),
        pressure=_mean(told, "pressure"),
        rps=_mean(told, "rps"),
        p95=_p95(told),
    )


def _tells(report: NodeReport) -> bool:
    return report.takes_requests and all(key in report.load for key in _NEEDED)


def _mean(told: Sequence[Mapping[str, float]], key: str) -> float | None:
    """None unless all know it."""
    values = [load[key] for load in told if key in load]
    return fmean(values) if values and len(values) == len(told) else None


def _p95(told: Sequence[Mapping[str, float]]) -> float | None:
    """By requests: an idle node's few answers say little."""
    values = [(load["p95_ms"], load["rps"]) for load in told if "p95_ms" in load and load["rps"] > 0]
    return sum(ms * rps for ms, rps in values) / sum(rps for _, rps in values) if values else None
