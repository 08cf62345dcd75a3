"""A release goes through the world region by region, as a row of courses. Pure: no I/O, and no clock of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from du_infra.errors import Refused
from du_infra.health.state import Standing
from du_infra.spec import TrafficSpec
from du_infra.traffic.course import Course, revert
from du_infra.traffic.seen import Seen, not_as_told
from du_infra.traffic.shares import HUNDRED, share_of, spread, whole

Kind: TypeAlias = Literal["wait", "advance", "done", "back"]

_SAME = 0.005 + 1e-9


@dataclass(frozen=True)
class Rules:
    """How a release goes through the world: ``waves`` of regions, and at which ``shares`` of the answers each stops.

    Only regions that run the service stand in a wave, and no wave is empty. ``soak`` seconds at each share; ``settle``
    and ``min_requests`` as in aim.Settings.
    """

    waves: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...] = (0.05, 0.25, 0.5, 1.0)
    soak: float = 300.0
    settle: float = 35.0
    min_requests: int = 100


@dataclass(frozen=True)
class Sight:
    """What was observed. ``runs``: the release with which ``service`` answers in each region, by a majority.

    ``shares`` as DNS has them, since ``changed``. ``failed``: why the release failed there, by region. ``open``: where
    a release of the service has begun and not ended, whatever answers there.
    """

    service: str
    health: Mapping[str, Standing]
    runs: Mapping[str, str]
    shares: Mapping[str, float]
    changed: float
    seen: Seen | None = None
    failed: Mapping[str, str] = field(default_factory=dict)
    open: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Progress:
    """What a turn leaves for the next one. ``since`` when all is as the course says, None while it is not; ``ran``: the
    regions that have been seen with the new release. ``course``: the number of the one that it is of."""

    since: float | None = None
    ran: frozenset[str] = frozenset()
    course: int = 0

    def of(self, course: Course) -> Progress:
        """What of it counts for a course: the soak of that one alone, and who ran it in all of its release."""
        if self.course == course.number:
            return self
        return Progress(None, self.ran if self.course > course.origin else frozenset(), course.number)


@dataclass(frozen=True)
class Turn:
    """What is done now, and why; ``course`` is the one to go by from now on, None while it stays as it is."""

    kind: Kind
    why: str
    progress: Progress
    course: Course | None = None


def rules_of(spec: TrafficSpec, regions: Collection[str], settle: float) -> Rules:
    """What fleet.yaml says, for a service that runs in just these ``regions``."""
    waves = [tuple(name for name in wave if name in regions) for wave in spec.waves or (tuple(regions),)]
    shares = tuple(share / 100 for share in spec.canary)
    return Rules(tuple(wave for wave in waves if wave), shares, spec.soak.seconds, settle, spec.min_requests)


def held_to(course: Course, rules: Rules) -> Rules:
    """The rules by which a release goes on: whoever edits ``waves:`` meanwhile means the next one."""
    return replace(rules, waves=course.waves) if course.waves else rules


def begin(course: Course, service: str, release: str, rules: Rules, tag: str = "") -> Course:
    """The first course of a release: the first wave's pins, and its regions at the first share of the answers.

    Raises Refused while another release goes through the world, or back, and where nothing is pinned that it could go
    back to.
    """
    if course.back:
        what = f"{course.back} went back, and not every region is back yet"
        raise Refused(what, where=service, todo=f"`du-infra release abort {course.back} --waves` brings them back")
    if unpinned := [name for wave in rules.waves for name in wave if not course.pinned(service, name)]:
        what = f"no release of {service} is pinned in {', '.join(unpinned)}, so that there is nothing to go back to"
        raise Refused(what, where=service, todo="bring these regions up first: `du-infra region up NAME`")
    if course.under_way:
        what = f"{course.service} goes through the world already, and is in wave {course.wave + 1}"
        raise Refused(what, where=service, todo="wait for its end, or stop it with `du-infra release abort --waves`")
    first = replace(course, service=service, tag=tag, release=release, waves=rules.waves)
    return _at(replace(first, number=0, previous=course.number, origin=course.number), course.weights, rules)


def expected(course: Course, origin: Course, region: str, rules: Rules) -> dict[str, frozenset[str]]:
    """Which releases may answer in a region, by service; any of those that go neither through the world nor back.

    In the wave that is under way that is the old one, too: it serves until the new one does. On the way back it is the
    new one, too, but for where it failed: a region that is well is not called dead, or one that is dead would get what
    it cannot answer.
    """
    service = course.service or course.back
    pin = course.pinned(service, region)
    if not pin:
        return {}
    if not course.under_way:
        return {service: frozenset({pin, course.leaving.get(region, pin)})}
    if region not in rules.waves[course.wave]:
        return {service: frozenset({pin})}
    old = origin.pinned(service, region)
    return {service: frozenset({pin, old})} if old else {}


def due(course: Course, sight: Sight, rules: Rules, now: float) -> tuple[str, ...]:
    """The regions that are to get now the release of the service that is pinned there.

    While it is under way those of its waves so far, once DNS gives them no more than they should have and resolvers
    have heard of that. Else, when it went back say, all that run another one, at once. One whose own release is open
    is among them: half way it answers with the old one, and what is cut off would stay so.
    """
    pins = course.pins.get(sight.service, {})
    off = [name for name, pin in pins.items() if pin and (sight.runs.get(name) != pin or name in sight.open)]
    if not course.under_way or course.service != sight.service:
        return tuple(off)
    wanted, waves = _shares(course), _so_far(course, rules)
    if now - sight.changed < rules.settle:
        return ()
    return tuple(one for one in off if one in waves and sight.shares.get(one, 0.0) <= wanted.get(one, 0.0) + _SAME)


def advance(course: Course, origin: Course, sight: Sight, rules: Rules, progress: Progress, now: float) -> Turn:
    """What comes next of a release that is under way. ``origin``: the course before it.

    It goes on only when every region of the waves so far runs its release and is up, DNS has the shares, the gateways
    see them, and all of that has been so for ``soak``. When the release fails somewhere, or a region that runs it goes
    down, it goes back at once: to the pins, the wave and the weights of the origin.
    """
    regions = _so_far(course, rules)
    progress, number = progress.of(course), course.number
    ran = progress.ran | {name for name in regions if sight.runs.get(name) == course.pinned(course.service, name)}
    if troubles := _troubles(course, sight, regions, ran):
        back = revert(course, origin, [*troubles, *sight.failed])
        return Turn("back", next(iter(troubles.values())), progress, back)
    if reason := _not_there(course, sight, rules, regions):
        return Turn("wait", reason, Progress(None, ran, number))
    since = now if progress.since is None else progress.since
    if now - since < rules.soak:
        why = f"as it should be for {now - since:.0f} s, soak is {rules.soak:.0f} s"
        return Turn("wait", why, Progress(since, ran, number))
    after = following(course, origin, rules)
    if not after.under_way:
        return Turn("done", f"{course.service} serves in every wave", progress, after)
    why = f"wave {after.wave + 1} of {len(rules.waves)} at {percent_of(after, rules)} % of the answers"
    return Turn("advance", why, Progress(since, ran, number), after)


def percent_of(course: Course, rules: Rules) -> int:
    """What the regions of the course's wave get together, in percent."""
    shares = share_of(course.goal(course.weights))
    return round(HUNDRED * sum(shares.get(name, 0.0) for name in rules.waves[course.wave]))


def following(course: Course, origin: Course, rules: Rules) -> Course:
    """The next share of this wave, or the first of the next one, or the end."""
    step = replace(course, number=0, previous=course.number, step=course.step + 1)
    if course.goal(course.weights) != course.goal(origin.weights):
        return _at(step, origin.weights, rules)
    if course.wave + 1 < len(rules.waves):
        return _at(replace(step, wave=course.wave + 1, step=0), origin.weights, rules)
    return replace(step, service="", release="", waves=(), wish={}, wave=0, step=0, origin=0)


def _at(course: Course, weights: Mapping[str, int], rules: Rules) -> Course:
    """The course with its wave's pins, and the wave's regions together at the share of its step, at most at their own.

    ``weights``: those of before the release. The wave's regions keep their proportions, and so do all others. Who is
    drained keeps his weight, which is nothing until he is taken back.
    """
    goal = course.goal(weights)
    wave = [name for name in rules.waves[course.wave] if name in goal]
    pins = {**course.pins.get(course.service, {}), **dict.fromkeys(rules.waves[course.wave], course.release)}
    own, total = sum(goal[name] for name in wave), sum(goal.values())
    stations = [share for share in rules.shares if share * total < own - 1e-9]
    if course.step < len(stations) and own < total:
        goal = _scaled(goal, wave, stations[course.step])
    aside = {name: weight for name, weight in weights.items() if name in course.drained}
    return replace(course, pins={**course.pins, course.service: pins}, weights={**goal, **aside})


def _shares(course: Course) -> dict[str, float]:
    """What DNS is to give out: a person may have drained a region since the course's weights were made."""
    return share_of(whole(course.goal(course.weights)))


def _scaled(goal: Mapping[str, int], wave: Sequence[str], share: float) -> dict[str, int]:
    inside = {name: goal[name] for name in wave}
    outside = {name: weight for name, weight in goal.items() if name not in inside}
    part = max(1, round(share * HUNDRED))
    return {**spread(part, inside), **spread(HUNDRED - part, outside)}


def _so_far(course: Course, rules: Rules) -> list[str]:
    return [name for wave in rules.waves[: course.wave + 1] for name in wave if name not in course.drained]


def _troubles(course: Course, sight: Sight, regions: Collection[str], ran: Collection[str]) -> dict[str, str]:
    """Why it goes back, by region. That one is down which never ran the release is not the release's doing."""
    found = {}
    for name in regions:
        here = sight.health.get(name)
        if name in sight.failed:
            found[name] = f"{course.service} failed in {name}: {sight.failed[name]}"
        elif here is not None and not here.up and name in ran:
            found[name] = f"{name} went down with {course.pinned(course.service, name)}: {here.why}"
    return found


def _not_there(course: Course, sight: Sight, rules: Rules, regions: Collection[str]) -> str:
    """What is not yet as the course says; "" when everything is."""
    for name in regions:
        here, pin = sight.health.get(name), course.pinned(course.service, name)
        if sight.runs.get(name) != pin:
            return f"{name} runs {sight.runs.get(name) or 'nothing'}, not {pin}"
        if name in sight.open:
            return f"{name} runs {pin}, and its own release is not over"
        if here is None or not here.surely_up:
            return f"{name} is not up for sure: {here.why if here else 'nobody observes it'}"
    for name, share in _shares(course).items():
        if abs(share - sight.shares.get(name, 0.0)) > _SAME:
            return f"DNS does not give {name} its share yet"
    return not_as_told(sight.shares, sight.seen, sight.changed + rules.settle, rules.min_requests)
