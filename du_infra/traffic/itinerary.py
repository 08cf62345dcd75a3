"""What a release through the world is going to do, as data: a person reads it and says yes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from du_infra.traffic.course import Course
from du_infra.traffic.waves import Rules, begin, following, percent_of


@dataclass(frozen=True)
class Leg:
    """One wave: its regions, and at which percent of the answers they stop together."""

    regions: tuple[str, ...]
    shares: tuple[int, ...]


@dataclass(frozen=True)
class WavePlan:
    """A release of ``service`` at ``tag``, which is ``release``, through the regions behind ``name``.

    ``previous``: what serves in each region now. ``goes_on``: it was begun before, and ``wave`` and ``step`` say how
    far it is; ``goes_back``: it failed before, and regions are still to be brought back. ``soak`` in seconds.
    ``options``: what it does otherwise than the service's settings say ("observe", "canary", "batch").
    """

    name: str
    service: str
    tag: str
    release: str
    legs: tuple[Leg, ...]
    previous: Mapping[str, str]
    soak: float
    min_requests: int
    goes_on: bool = False
    goes_back: bool = False
    wave: int = 0
    step: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def there(self) -> bool:
        """Whether the release serves in every region, so that there is nothing to do."""
        return not self.goes_on and not self.goes_back and set(self.previous.values()) == {self.release}

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs (docs/cli.md)."""
        return {
            "name": self.name,
            "service": self.service,
            "tag": self.tag,
            "release": self.release,
            "waves": [{"regions": list(leg.regions), "shares": list(leg.shares)} for leg in self.legs],
            "previous": dict(self.previous),
            "soak_s": self.soak,
            "min_requests": self.min_requests,
            "goes_on": self.goes_on,
            "goes_back": self.goes_back,
        }


def legs_of(course: Course, service: str, release: str, rules: Rules) -> tuple[Leg, ...]:
    """Every stop of a release that begins with this course. Raises what ``waves.begin`` does."""
    at, stops = begin(course, service, release, rules), list[tuple[int, int]]()
    while at.under_way:
        stops.append((at.wave, percent_of(at, rules)))
        at = following(at, course, rules)
    return tuple(
        Leg(wave, tuple(percent for number, percent in stops if number == index))
        for index, wave in enumerate(rules.waves)
    )
