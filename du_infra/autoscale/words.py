"""The reasons of the autoscaler in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from du_infra.autoscale.advice import Advice, advise, knows_all
from du_infra.autoscale.state import Change, Metric, Sample, Settings
from du_infra.autoscale.window import Window

_UNITS: dict[Metric, str] = {"cpu": " %", "memory": " %", "pressure": " %", "rps": " rps", "p95": " ms"}
_NAMES: dict[Metric, str] = {"pressure": "memory pressure", "rps": "each node"}


def too_much(settings: Settings, recent: Window, nodes: int) -> str:
    """The target that asked for more than ``nodes`` for the longest, by its mean while it did."""
    found = {metric: _above(metric, settings, recent, nodes) for metric in settings.targets}
    lasted = {metric: sum(seconds for seconds, _ in parts) for metric, parts in found.items()}
    most = {metric: max((advice.nodes for _, advice in parts), default=0) for metric, parts in found.items()}
    metric = max(found, key=lambda name: (lasted[name], most[name]))
    total = sum(seconds * (advice.value or 0) for seconds, advice in found[metric])
    against = _against(metric, total / lasted[metric] if lasted[metric] else 0.0, settings.targets[metric])
    return f"{against} for {_of(lasted[metric], recent.length)}"


def _above(metric: Metric, settings: Settings, recent: Window, nodes: int) -> list[tuple[float, Advice]]:
    """When that target asked for more than ``nodes``: for how many seconds, and what."""
    return [
        (seconds, advice)
        for seconds, sample in recent.parts
        for advice in advise(sample, settings)
        if advice.metric == metric and advice.nodes > nodes
    ]


def enough(settings: Settings, longer: Window, want: int) -> str:
    """The target that comes nearest to forbidding fewer nodes, by the most it was."""
    asked = [advice for sample in longer.samples for advice in advise(sample, settings)[:1]]
    nearest = max(asked, key=lambda advice: (advice.nodes, (advice.value or 0) / advice.target))
    value = "hardly any requests" if nearest.value is None else _at_most(nearest)
    return f"{value} for {_length(longer.length)}: {want} can carry that"


def enough_now(settings: Settings, longer: Window, nodes: int) -> str:
    """That fewer would do now, and since when."""
    since = 0.0
    for seconds, sample in reversed(longer.parts):
        if not knows_all(sample, settings) or advise(sample, settings)[0].nodes >= nodes:
            break
        since += seconds
    return f"fewer would do for {_of(since, longer.length)}"


def as_it_should_be(sample: Sample, settings: Settings) -> str:
    """The measures beside their targets."""
    told = [a for a in advise(sample, settings) if a.value is not None]
    return ", ".join(_against(a.metric, a.value or 0, a.target) for a in told) or "hardly any requests"


def unknown(sample: Sample, missing: Sequence[Metric]) -> str:
    """What was not told, and what that means."""
    if sample.silent:
        return f"{sample.silent} of {sample.nodes} told nothing: none goes for that"
    return f"not known: {', '.join(_NAMES.get(m, m) for m in missing)}; none goes for that"


def not_measured(newest: Sample | None, now: float) -> str:
    """That there is nothing to go by."""
    return f"nothing was measured for {_length(now - newest.when)}" if newest else "nothing was measured yet"


def not_long_enough(longer: Window) -> str:
    """That too little is known for shrinking."""
    return f"fewer would do, but only {_of(longer.known, longer.length)} were measured"


def cooling(seconds: float, change: Change) -> str:
    """That a change is too fresh."""
    return f"{change.before} → {change.after} was a moment ago: {left(seconds)} of cool-down"


def settling(nodes: int) -> str:
    """That no whole minute was measured since a change."""
    return f"no whole minute was measured with {nodes} yet"


def needed(seconds: float) -> str:
    """For how long it has to last."""
    return f", {_length(seconds)} are needed"


def left(seconds: float) -> str:
    """How long something goes on."""
    return f"{_length(seconds)} left"


def _against(metric: Metric, value: float, target: float) -> str:
    unit = _UNITS[metric]
    return f"{_NAMES.get(metric, metric)} {_number(value)}{unit} against {_number(target)}{unit}"


def _at_most(advice: Advice) -> str:
    unit, name = _UNITS[advice.metric], _NAMES.get(advice.metric, advice.metric)
    return f"{name} at most {_number(advice.value or 0)}{unit} against {_number(advice.target)}{unit}"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == round(value) else f"{value:.1f}"


def _of(seconds: float, whole: float) -> str:
    """ "4 of 5 minutes", "50 of 60 seconds"; the whole alone where it was all of it."""
    if seconds >= whole - 0.5:
        return _length(whole)
    unit, name = (60.0, "minutes") if whole >= 120 else (1.0, "seconds")
    return f"{_number(_floor(seconds / unit))} of {_number(whole / unit)} {name}"


def _floor(value: float) -> float:
    """To one digit and never up: "4 of 5" must be true."""
    return int(value * 10 + 1e-6) / 10


def _length(seconds: float) -> str:
    unit, name = (60.0, "minute") if seconds >= 60 else (1.0, "second")
    number = _number(seconds / unit) if seconds >= 1 else "1"
    return f"{number} {name}" if number == "1" else f"{number} {name}s"
