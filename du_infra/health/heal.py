"""Which nodes are dead, and what is done about it by nobody's order. Pure: no I/O, and no clock of its own.

Nobody is believed alone. A node is in a bad way when at least two observers say so and none says that it is well:
du-infra itself, every other node that answers, and the provider, whose word counts for a machine that does not run.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from du_infra.spec import HealSpec

CONTROLLER = "du-infra"
PROVIDER = "the provider"
GONE = "gone"
RUNNING = "running"

OBSERVERS = 2
BOOT_SECONDS = 30.0
SICK_FACTOR = 10
HOUR = 3600.0

Condition: TypeAlias = Literal["dead", "sick"]
Votes: TypeAlias = Mapping[str, Mapping[str, bool]]


@dataclass(frozen=True)
class View:
    """One node in one look at the region.

    ``machine``: the provider's word for its machine ("running", "stopped", "frozen" …), "gone" when it has none.
    ``reachable``: it let du-infra in. ``serving``: it answers and takes requests. ``joined``: it has been part of the
    region. ``going``: it is on its way out already. ``why``: what else is known of why it is not ready.
    """

    name: str
    machine: str = RUNNING
    reachable: bool = True
    serving: bool = True
    joined: bool = True
    going: bool = False
    why: str = ""

    @property
    def never_came(self) -> bool:
        """Whether there is a machine that has never let anybody in, and does not now."""
        return not (self.joined or self.reachable or self.machine == GONE)

    @property
    def amiss(self) -> str:
        """What is wrong with one that lets us in and is not well, in words."""
        return f"not ready ({self.why})" if self.why else "not ready"


@dataclass(frozen=True)
class Sighting:
    """Since when (seconds, by the clock of ``now``) a node has been dead, or sick: reachable, and not well."""

    condition: Condition
    since: float


@dataclass(frozen=True)
class Start:
    """When du-infra last started a machine, and whether the provider failed to."""

    at: float
    failed: bool = False


@dataclass(frozen=True)
class History:
    """What earlier passes leave: sightings and starts by node, and when nodes were replaced, all by one clock.

    ``release``: in words, the release that runs, is held, or was cut off; "" for none.
    """

    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    started: Mapping[str, Start] = field(default_factory=dict)
    replaced: Sequence[float] = ()
    release: str = ""


@dataclass(frozen=True)
class Action:
    """What is done to a node, and why: its machine is started (or woken), or replaced by one with a new name."""

    kind: Literal["start", "replace"]
    node: str
    why: str


@dataclass(frozen=True)
class Healing:
    """One pass: ``actions`` in order; ``why`` says what else is amiss and why it is left alone.

    ``early`` says which nodes are in a bad way, but have not been for long enough. ``lost`` are those on which nobody
    counts any more: it has been long enough, and starting them is no way out, whether or not they may be replaced now.
    ``sightings`` are for the next pass's history.
    """

    actions: tuple[Action, ...] = ()
    why: tuple[str, ...] = ()
    sightings: Mapping[str, Sighting] = field(default_factory=dict)
    early: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def plan_healing(views: Sequence[View], votes: Votes, history: History, settings: HealSpec, now: float) -> Healing:
    """What to do now about nodes that have been dead for long enough.

    ``votes``: for each node, what each observer says: true when it is well. ``now`` in seconds, by the clock of
    ``history``. What is promised (and tested for every input):

    - No node that serves is touched, none that anybody calls well, and none that fewer than two call dead.
    - No machine that still exists is replaced unless another node serves.
    - No more than ``max_share`` of the nodes (but always one) are on their way out at once, no more than ``per_hour``
      are replaced in an hour, and none while a release is open.
    """
    sightings = sight(views, votes, history, now)
    notes = list(_alone(views, votes))
    if not settings.enabled:
        notes += [f"{name} is {seen.condition}, and healing is turned off" for name, seen in sightings.items()]
        return Healing((), tuple(notes), sightings)
    known = replace(history, sightings=sightings)
    due = [view for view in views if view.name in sightings and _patience(view, settings) <= _age(view, known, now)]
    words = {view.name: _words(view, votes, _age(view, known, now)) for view in due}
    starts = [view for view in due if _startable(view, known)]
    waiting = [view for view in due if view not in starts and _boots(view, known, settings, now)]
    lost = sorted((view for view in due if view not in starts and view not in waiting), key=_urgency)
    actions = [Action("start", view.name, words[view.name]) for view in starts]
    room = _Room(views, known, settings, now)
    for view in lost:
        if reason := room.refusal(view):
            notes.append(f"{view.name} is not replaced: {reason} ({words[view.name]})")
        else:
            room.taken += 1
            actions.append(Action("replace", view.name, words[view.name]))
    notes += [f"{view.name} was started, and has some time to answer" for view in waiting]
    young = [view for view in views if view.name in sightings and view not in due]
    early = tuple(_early(view, votes, known, settings, now) for view in young)
    return Healing(tuple(actions), tuple(notes), sightings, early, tuple(view.name for view in lost))


def sight(views: Iterable[View], votes: Votes, history: History, now: float) -> dict[str, Sighting]:
    """The nodes that are in a bad way now, and since when; whoever is well again is forgotten."""
    found: dict[str, Sighting] = {}
    for view in views:
        if view.serving or view.going or not view.joined or not _condemned(votes.get(view.name, {})):
            continue
        condition: Condition = "sick" if view.reachable else "dead"
        before = history.sightings.get(view.name)
        found[view.name] = before if before and before.condition == condition else Sighting(condition, now)
    return found


def never_came(
    views: Iterable[View], history: History, settings: HealSpec, now: float, counted: Collection[str] = ()
) -> tuple[str, ...]:
    """Machines of a replacement that failed, which never let anybody in: others are made in their place.

    Nobody has ever used them, so that our own word is enough; the budget of the hour counts them. Those that were
    ``counted`` are not counted again.
    """
    left = settings.per_hour - sum(now - at < HOUR for at in history.replaced)
    found = [view.name for view in views if view.never_came and view.name not in counted]
    return tuple(found[: max(0, left)])


class _Room:
    """How many more nodes may be replaced in this pass."""

    def __init__(self, views: Sequence[View], history: History, settings: HealSpec, now: float) -> None:
        self.taken = 0
        self._serving = any(view.serving and not view.going for view in views)
        self._going = sum(view.going for view in views)
        self._at_once = at_once(sum(not view.going for view in views), settings)
        self._spent = sum(now - at < HOUR for at in history.replaced)
        self._settings = settings
        self._release = history.release

    def refusal(self, view: View) -> str:
        """Why this node is not replaced now; "" when it may be."""
        if self._release:
            return self._release
        if view.machine != GONE and not self._serving:
            return "its machine is still there, and no other node serves"
        if self._going + self.taken >= self._at_once:
            return f"{self._at_once} at once is the most that max_share allows"
        if self._spent + self.taken >= self._settings.per_hour:
            return f"{self._spent + self.taken} were replaced within an hour, and per_hour is {self._settings.per_hour}"
        return ""


def at_once(nodes: int, settings: HealSpec) -> int:
    """How many of ``nodes`` may be in replacement at once: ``max_share`` of them, and always one."""
    return max(1, math.floor(nodes * settings.max_share.points / 100))


def _condemned(said: Mapping[str, bool]) -> bool:
    return len(said) >= OBSERVERS and not any(said.values())


def _alone(views: Iterable[View], votes: Votes) -> Iterator[str]:
    """Nodes that du-infra finds unwell and that are not condemned, for somebody to look at."""
    for view in views:
        said = votes.get(view.name, {})
        if view.going or not view.joined or said.get(CONTROLLER, True) or _condemned(said):
            continue
        amiss = f"is {view.amiss}" if view.reachable else "does not answer du-infra"
        well = sorted(name for name, word in said.items() if word)
        others = f"{', '.join(well)} reaches it" if well else "nobody else says that it is dead"
        yield f"{view.name} {amiss}, but {others}"


def _patience(view: View, settings: HealSpec) -> float:
    """A node that lets us in may come to itself; it gets more time than one that is dead."""
    return settings.dead_after.seconds * (SICK_FACTOR if view.reachable else 1)


def _age(view: View, history: History, now: float) -> float:
    return now - history.sightings[view.name].since


def _startable(view: View, history: History) -> bool:
    return view.machine not in (RUNNING, GONE) and view.name not in history.started


def _boots(view: View, history: History, settings: HealSpec, now: float) -> bool:
    """Whether its machine was started a moment ago."""
    start = history.started.get(view.name)
    if start is None or start.failed or view.machine == GONE:
        return False
    return now - start.at < max(BOOT_SECONDS, settings.dead_after.seconds)


def _urgency(view: View) -> tuple[bool, bool, str]:
    """Machines that are gone first, then those that do not run."""
    return (view.machine != GONE, view.machine == RUNNING, view.name)


def _words(view: View, votes: Votes, age: float) -> str:
    condition = view.amiss if view.reachable else "dead"
    return (
        f"{condition} for {age:.0f} s by the word of {_listed(sorted(votes[view.name]))}; its machine is {view.machine}"
    )


def _early(view: View, votes: Votes, history: History, settings: HealSpec, now: float) -> str:
    said = _words(view, votes, _age(view, history, now))
    return f"{view.name} is {said}; nothing is done within {_patience(view, settings):.0f} s"


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
