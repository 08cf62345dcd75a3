"""Whether a new copy does well: numbers in, a sentence out. No I/O.

Two things are said at once: that it ended by itself, and that it is not ready any more. A share of errors among few
requests is mostly luck: before the time is up it counts only where luck can be ruled out (Wilson's score interval,
1927: the lower bound of the share is above the limit). Slowness comes in waves, of the node's own doing too, and is
judged by all of the time, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from du_node.observation.signals import Tally
from du_node.rollout import Rollout

MISSED = 3
"""Failed readiness probes in a row that are too many."""
_FEWEST_ERRORS = 2
_LEAST_SLOWER_MS = 20
_SURE = 2.58
"""Standard deviations: by luck alone once in 200 looks."""


@dataclass(frozen=True)
class Health:
    """What the runtime and the probes say. ``falls``: how often it ended by itself or lost a process to a lack of
    memory; ``how`` describes the last time. ``missed`` probes in a row failed; ``why`` says how."""

    falls: int = 0
    how: str = ""
    missed: int = 0
    why: str = ""


def judge(new: Tally, old: Tally, health: Health, rollout: Rollout, *, names: tuple[str, str], final: bool) -> str:
    """What is wrong with the new copy, as a sentence; "" where nothing is, or not for sure before the ``final`` look.

    ``names`` are the tags of the new and the old copy.
    """
    return (
        _fallen(health, rollout, names[0])
        or _unready(health, names[0])
        or _failing(new, old, rollout, names, final)
        or _slow(new, old, rollout, names, final)
    )


def too_few(new: Tally, old: Tally, rollout: Rollout) -> str:
    """What could not be judged, as a sentence; "" where all could."""
    if new.requests < rollout.min_requests:
        return f"{new.requests} requests were too few to judge errors by ({rollout.min_requests} are needed)"
    if min(new.timed, old.timed) < rollout.min_requests:
        return f"the old copy answered {old.timed} requests, too few to compare times with"
    return ""


def _fallen(health: Health, rollout: Rollout, name: str) -> str:
    if health.falls <= rollout.max_restarts:
        return ""
    if health.falls == 1:
        return f"{name} {health.how}"
    return f"{name} fell {health.falls} times, more often than the {rollout.max_restarts} allowed; last it {health.how}"


def _unready(health: Health, name: str) -> str:
    return f"{name} is not ready any more: {health.why}" if health.missed >= MISSED else ""


def _failing(new: Tally, old: Tally, rollout: Rollout, names: tuple[str, str], final: bool) -> str:
    if new.requests < rollout.min_requests or new.errors < _FEWEST_ERRORS:
        return ""
    limit = old.error_share + rollout.max_errors / 100
    share = new.error_share if final else _at_least(new.errors, new.requests)
    if share <= limit:
        return ""
    return (
        f"{names[0]} answered 5xx to {_percent(new.error_share)} % of {new.requests} requests "
        f"({names[1]}: {_percent(old.error_share)} %), more than the {_percent(limit)} % allowed"
    )


def _slow(new: Tally, old: Tally, rollout: Rollout, names: tuple[str, str], final: bool) -> str:
    if not final or min(new.timed, old.timed) < rollout.min_requests:
        return ""
    now, usual = new.p95_ms, old.p95_ms
    if now <= usual * rollout.max_latency or now < usual + _LEAST_SLOWER_MS:
        return ""
    return (
        f"95 % of {names[0]}'s answers begin within {now} ms ({names[1]}'s: {usual} ms), "
        f"more than the {rollout.max_latency:g} times as long that is allowed"
    )


def _at_least(count: int, total: int) -> float:
    """The lower bound of Wilson's score interval for a share."""
    share, square = count / total, _SURE * _SURE
    spread = _SURE * sqrt(share * (1 - share) / total + square / (4 * total * total))
    return (share + square / (2 * total) - spread) / (1 + square / total)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
