"""What is wanted of the whole fleet, as one record: a course. Pure.

Which release each region runs, which wave that is, and what weight each region has change together. Every change is
another course, and what was before is known by its number. So whoever goes back one course takes back all three.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

from du_infra.errors import Refused, SpecError
from du_infra.traffic.shares import HUNDRED, share_of, whole

Pins: TypeAlias = Mapping[str, Mapping[str, str]]
"""For each service the release (docs/releases.md) that each region is to run."""


@dataclass(frozen=True)
class Course:
    """What is wanted: ``pins``, and ``weights`` by region; ``drained`` get nothing.

    While ``service`` goes through the world ("" while none does), ``wave`` says in which wave it is, from 0, and
    ``step`` at which of the wave's shares. ``number`` is its own, ``previous`` the one before it, ``origin`` the one
    before the release began; 0 for none. ``actor``, ``why``, ``at`` (unix seconds): who wanted it, why, and when.
    ``tag``: what the ``release`` is called; ``waves``: its regions, as fleet.yaml had them when it began. ``file``: the
    weights that fleet.yaml had then. ``back``: the service that went back with this course ("" for none), until each
    region runs what is pinned; ``leaving``: the release that may answer there as well until then, by region.
    ``wish``: what the release was begun with otherwise than the service's settings say ("observe", "canary", "batch").
    """

    weights: Mapping[str, int]
    pins: Pins = field(default_factory=dict)
    drained: tuple[str, ...] = ()
    service: str = ""
    wave: int = 0
    step: int = 0
    number: int = 0
    previous: int = 0
    origin: int = 0
    actor: str = ""
    why: str = ""
    at: float = 0.0
    file: Mapping[str, int] = field(default_factory=dict)
    back: str = ""
    tag: str = ""
    leaving: Mapping[str, str] = field(default_factory=dict)
    release: str = ""
    waves: tuple[tuple[str, ...], ...] = ()
    wish: Mapping[str, Any] = field(default_factory=dict)

    @property
    def under_way(self) -> bool:
        """Whether a release goes through the world."""
        return bool(self.service)

    def pinned(self, service: str, region: str) -> str:
        """The release of a service that a region is to run; "" when none is pinned."""
        return self.pins.get(service, {}).get(region, "")

    def goal(self, weights: Mapping[str, int]) -> dict[str, int]:
        """``weights`` without those of the drained."""
        return {name: 0 if name in self.drained else weight for name, weight in weights.items()}

    def to_json(self) -> dict[str, Any]:
        """For the store, and for programs."""
        return {**asdict(self), "drained": list(self.drained)}


def course_from(told: Mapping[str, Any]) -> Course:
    """What ``Course.to_json`` gave."""
    waves = tuple(tuple(wave) for wave in told.get("waves", ()))
    return Course(**{**told, "drained": tuple(told["drained"]), "waves": waves})


def revert(course: Course, before: Course, bad: Collection[str] = ()) -> Course:
    """Back to a course of before: its pins, wave and weights, all three, as the newest one.

    Who is drained is no part of a release: a person may have drained a region meanwhile because it is ill. Where it did
    not go ``bad`` a region is as well with the one release as with the other while it is brought back.
    """
    pins = course.pins.get(course.service, {}).items()
    leaving = {name: pin for name, pin in pins if name not in bad and pin != before.pinned(course.service, name)}
    back = replace(before, drained=course.drained, back=course.service, leaving=leaving)
    return replace(back, number=0, previous=course.number)


def settled(course: Course) -> Course:
    """The course of a release that went back, once every region is back."""
    return _next(course, back="", leaving={})


def shift(course: Course, region: str, percent: int) -> Course:
    """One region gets so many percent of the answers; the others share the rest as they did.

    Raises SpecError for a region that is not there or no percent, and Refused while a release goes through the world
    (its waves go by the weights), for a region that is drained, and when nobody else is there to take the rest.
    """
    may_shift(course, region, percent)
    others = {name: weight for name, weight in course.goal(course.weights).items() if name != region and weight}
    if percent < HUNDRED and not others:
        raise Refused("no other region has a weight, so that it gets everything", where=region)
    return share_out(course, {region: percent})


def may_shift(course: Course, region: str, percent: int) -> None:
    """Whether a region can be given a share at all, whatever the others get. Raises what ``shift`` does."""
    _known(course, region)
    if not 0 <= percent <= HUNDRED:
        raise SpecError(f"must be 0 to 100 (got {percent})", where=f"the share of {region}")
    if course.under_way:
        raise Refused(
            f"{course.service} goes through the world, in wave {course.wave + 1}: the shares are what it is judged by",
            where=region,
            todo="wait for its end, or stop it with `du-infra release abort --waves`",
        )
    if region in course.drained:
        raise Refused("the region is drained", where=region, todo=f"`du-infra traffic undrain {region}`")


def share_out(course: Course, shares: Mapping[str, int]) -> Course:
    """The course in which these regions have so many percent, and all others that have a weight the rest, as they did.

    Nobody's weight is rounded away. Who is drained keeps the share that he would have: he has it again when he is not.
    """
    goal = course.goal(course.weights)
    others = {name: weight for name, weight in goal.items() if weight and name not in shares}
    rest, parts = HUNDRED - sum(shares.values()), share_of(others)
    live = whole({**shares, **{name: rest * part for name, part in parts.items()}})
    unit = sum(live.values()) / (sum(goal.values()) or 1)
    aside = {name: max(1, round(unit * course.weights[name])) for name in course.drained if course.weights.get(name)}
    return _next(course, weights={**dict.fromkeys(course.weights, 0), **live, **aside})


def drain(course: Course, region: str) -> Course:
    """A region gets nothing until it is taken back. Raises Refused when no other would get anything."""
    _known(course, region)
    left = [name for name, weight in course.goal(course.weights).items() if weight and name != region]
    if not left:
        raise Refused("no other region has a weight: nobody would be left", where=region)
    return _next(course, drained=tuple(sorted({*course.drained, region})))


def undrain(course: Course, region: str) -> Course:
    """A region gets again what its weight says. Raises SpecError for a region that is not there."""
    _known(course, region)
    return _next(course, drained=tuple(name for name in course.drained if name != region))


def pin(course: Course, service: str, runs: Mapping[str, str]) -> Course:
    """The course with what a service runs in some regions as what it is to run there: that went live without waves."""
    return _next(course, pins={**course.pins, service: {**course.pins.get(service, {}), **runs}})


def first_course(file: Mapping[str, int]) -> Course:
    """The course of a fleet that has none yet: what fleet.yaml says."""
    return Course(whole(file), file=dict(file))


def follow(course: Course, file: Mapping[str, int]) -> Course | None:
    """The course with the regions and weights that fleet.yaml says now; None when it says what it said before.

    So what a person ordered since holds until somebody changes the file. While a release goes through the world it
    waits for its end.
    """
    if course.file == file or course.under_way:
        return None
    drained = tuple(name for name in course.drained if name in file)
    pins = {
        service: {name: pin for name, pin in regions.items() if name in file}
        for service, regions in course.pins.items()
    }
    return _next(course, weights=whole(file), drained=drained, pins=pins, file=dict(file))


def _next(course: Course, **fields: Any) -> Course:
    return replace(course, **fields, number=0, previous=course.number)


def _known(course: Course, region: str) -> None:
    if region not in course.weights:
        names = ", ".join(course.weights)
        raise SpecError("there is no such region behind the name", where=region, todo=f"its regions are: {names}")
