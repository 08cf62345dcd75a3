"""Load, nodes and latency over time, as SVG that is the same for the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, ScalarFormatter

from du_infra.autoscale.simulate import Load, flat, noisy, run, sine, step
from du_infra.autoscale.state import Settings

_CAPACITY = 100.0
_SETTINGS = Settings(1, 8, {"cpu": 60.0, "p95": 200.0})
_GREY, _BLUE, _GREEN, _RED = "#888888", "#1f6fb4", "#2e8b57", "#c0392b"


@dataclass(frozen=True)
class Curves:
    """What is drawn: ``minutes`` of each point; requests a second that were asked; nodes that are wanted and that
    serve; p95 in ms, and what it should be; ``decided`` in words, by minute."""

    title: str
    minutes: Sequence[float]
    asked: Sequence[float]
    wanted: Sequence[int]
    serving: Sequence[int]
    p95: Sequence[float | None]
    target: float | None = None
    decided: Sequence[tuple[float, str]] = ()
    carries: str = "all nodes at full load"
    capacity: float | None = None
    """Requests a second that a node is for: what it can answer at most, or the target."""


def simulated() -> dict[str, Callable[[], Curves]]:
    """The simulated runs by name."""
    hour = 3600.0
    return {
        "step": lambda: _simulate("A step: 50 → 350 → 50 requests a second", step(50, 350, 600, 3000), 1.6 * hour),
        "sine": lambda: _simulate("A wave of an hour: 40 to 400 requests a second", sine(40, 400, hour), 3 * hour),
        "spike": lambda: _simulate(
            "A spike of a minute: 50 → 300 → 50 requests a second", step(50, 300, 900, 960), hour
        ),
        "noise": lambda: _simulate("Noise: 180 requests a second ± 30 %", noisy(flat(180), 0.3), 2 * hour, nodes=4),
    }


def real(recorded: Path) -> Curves:
    """The run that bench.autoscale.record kept."""
    told = json.loads(recorded.read_text(encoding="utf-8"))
    points = told["points"]
    return Curves(
        told["title"],
        [point["second"] / 60 for point in points],
        [point["asked"] for point in points],
        [point["nodes"] for point in points],
        [point["serving"] for point in points],
        [point["p95"] for point in points],
        decided=[(change["second"] / 60, change["words"]) for change in told["changes"]],
        carries="target x nodes",
        capacity=told["rps_target"],
    )


def save(curves: Curves, path: Path) -> Path:
    """Draw into ``path``."""
    with mpl.rc_context({"svg.hashsalt": "du-infra", "svg.fonttype": "none", "font.family": "sans-serif"}):
        _figure(curves).savefig(path, format="svg", metadata={"Date": None, "Creator": None})
    text = "\n".join(line.rstrip() for line in path.read_text(encoding="utf-8").splitlines())
    path.write_text(text + "\n", encoding="utf-8")
    return path


def _simulate(title: str, load: Load, seconds: float, nodes: int = 0) -> Curves:
    points = run(load, _SETTINGS, seconds=seconds, nodes=nodes)[::2]
    return Curves(
        title,
        [point.when / 60 for point in points],
        [point.asked for point in points],
        [point.nodes for point in points],
        [point.serving for point in points],
        [point.p95 for point in points],
        _SETTINGS.targets["p95"],
        [(point.when / 60, point.why) for point in points if point.why],
        capacity=_CAPACITY,
    )


def _figure(curves: Curves) -> Figure:
    figure = Figure(figsize=(9, 6), layout="constrained")
    load, nodes, latency = figure.subplots(3, 1, sharex=True)
    load.set_title(curves.title, fontsize=11)
    load.plot(curves.minutes, curves.asked, color=_GREY, linewidth=1, label="asked")
    if curves.capacity:
        can = [curves.capacity * serving for serving in curves.serving]
        load.step(curves.minutes, can, where="post", color=_GREEN, linewidth=1, label=curves.carries)
    load.set_ylabel("requests a second")
    load.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    nodes.step(curves.minutes, curves.wanted, where="post", color=_RED, linewidth=1, label="wanted")
    nodes.step(curves.minutes, curves.serving, where="post", color=_BLUE, linewidth=1.5, label="serving")
    nodes.set_ylabel("nodes")
    nodes.set_ylim(0, max(curves.wanted) + 1)
    nodes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    times = [float("nan") if value is None else max(1.0, value) for value in curves.p95]
    latency.plot(curves.minutes, times, color=_BLUE, linewidth=1, label="p95")
    if curves.target:
        latency.axhline(curves.target, color=_RED, linewidth=0.8, linestyle="--", label="target")
    latency.set_yscale("log")
    latency.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    latency.yaxis.set_major_formatter(ScalarFormatter())
    latency.yaxis.set_minor_formatter(NullFormatter())
    latency.set_ylabel("ms")
    latency.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.01, 1.02))
    latency.set_xlabel("minutes")
    for axes in (load, nodes, latency):
        axes.grid(alpha=0.25)
        for minute, _ in curves.decided:
            axes.axvline(minute, color=_GREY, linewidth=0.6, linestyle=":")
    return figure
