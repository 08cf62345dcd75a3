"""What the world's entrance is never made to do, and why not, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from du_infra.errors import Refused
from du_infra.health.heal import HOUR
from du_infra.health.state import Standing
from du_infra.spec import TrafficSpec
from du_infra.traffic.aim import Settings
from du_infra.traffic.course import Course
from du_infra.traffic.shares import percent, share_of
from du_infra.traffic.state import Capabilities

_NO_WEIGHTS = "it knows no weights, so that all regions get as much as each other"
_ALIKE = 0.015


@dataclass(frozen=True)
class Change:
    """The record was changed at ``at``, by plan or because of somebody's health; ``moved``: the share that moved."""

    at: float
    planned: bool
    moved: float


class Budget:
    """What may still be changed within this hour."""

    def __init__(self, changes: Iterable[Change], settings: Settings, now: float) -> None:
        self.changes = tuple(one for one in changes if now - one.at < HOUR)
        self._per_hour = settings.per_hour
        self._max_shift = settings.max_shift

    @property
    def spent(self) -> str:
        """Why nothing may be changed, by health either; "" when it may."""
        if len(self.changes) < self._per_hour:
            return ""
        return f"it was changed {len(self.changes)} times within an hour, and per_hour is {self._per_hour}"

    @property
    def spent_by_plan(self) -> str:
        """Why nothing may be changed by plan: half is kept for failovers."""
        if len(self.changes) < self._per_hour // 2:
            return ""
        times = f"it was changed {len(self.changes)} times within an hour"
        return f"{times}, and half of per_hour ({self._per_hour}) is for failovers"

    @property
    def left(self) -> float:
        """The share that may still be moved by plan."""
        return max(0.0, self._max_shift - sum(one.moved for one in self.changes if one.planned))


def drain_refusal(
    name: str, weights: Mapping[str, int], wanted: Mapping[str, int], health: Mapping[str, Standing], least: int
) -> str:
    """Why a region that serves may not be drained now; "" when it may. ``weights`` by plan, now and in the end.

    A region that is down anyway may be drained at any time.
    """
    here = health.get(name)
    if here is None or not here.up:
        return ""
    others = [one for one, weight in weights.items() if weight > 0 and one != name]
    unsure = sorted(one for one in others if one not in health or not health[one].surely_up)
    if unsure:
        return f"one at a time, and {unsure[0]} is not up for sure"
    left = {
        *others,
        *(one for one, weight in wanted.items() if weight > 0 and one != name and one in health and health[one].up),
    }
    return f"{len(left)} would be left, and min_regions is {least}" if len(left) < least else ""


def check_backend(spec: TrafficSpec, able: Capabilities) -> None:
    """Raises Refused for what fleet.yaml asks of a backend that would do something else, and says what."""
    reasons = list(_missing(spec, able))
    if reasons:
        raise Refused(
            f"backend {spec.backend} cannot do what fleet.yaml asks for: {reasons[0][0]}",
            where=f"traffic of {spec.name}",
            todo=f"{'; '.join(todo for _, todo in reasons)}; or take another backend (docs/traffic.md)",
            detail="\n".join(words for words, _ in reasons[1:]),
        )


def check_shares(course: Course, able: Capabilities, name: str, backend: str) -> None:
    """Raises Refused for shares that a backend without weights would quietly make alike.

    Whole percents of regions that are alike differ by one, so that much is no other share.
    """
    shares = [share for share in share_of(course.goal(course.weights)).values() if share]
    if able.weights or all(abs(share - 1 / len(shares)) < _ALIKE for share in shares):
        return
    raise Refused(
        f"backend {backend} cannot do what is asked for: {_NO_WEIGHTS}",
        where=f"traffic of {name}",
        todo="give 0 or as much as all others have, drain a region, or take another backend (docs/traffic.md)",
    )


def _missing(spec: TrafficSpec, able: Capabilities) -> Iterable[tuple[str, str]]:
    weights = {weight for weight in (spec.weights or {}).values() if weight}
    if not able.weights and spec.canary:
        step = percent(spec.canary[0] / 100)
        yield (
            f"it knows no weights, so that no region can be given {step} of the answers",
            "write canary: [] and a region gets its whole share at once",
        )
    if not able.weights and len(weights) > 1:
        yield _NO_WEIGHTS, "write no weights"
    if spec.ttl_seconds < able.min_ttl:
        yield f"its answers are kept for at least {able.min_ttl} s", f"write ttl: {able.min_ttl}s or more"
