"""One look at the entrance, and what follows from it: who is up, what is wanted, what DNS should be told. No change."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from du_infra.control.traffic.counting import Counting
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.sightings import Board, Votes, runs_of, silent_of, votes_of
from du_infra.health.quorum import Expected, first_standing, judge_regions
from du_infra.health.state import Standing
from du_infra.pool.plan import PoolRecord
from du_infra.traffic.aim import Aim, Settings, aim_of, settings_of
from du_infra.traffic.capacity import Load, load_of
from du_infra.traffic.course import Course
from du_infra.traffic.memory import Memory
from du_infra.traffic.plan import Facts, Plan, plan_traffic
from du_infra.traffic.seen import Seen as Counted
from du_infra.traffic.state import Capabilities, Record
from du_infra.traffic.waves import Progress, expected, held_to, rules_of


@dataclass(frozen=True)
class View:
    """What a pass saw and made of it. ``record``: what DNS has been told; ``now`` of the monotonic clock.

    ``silent``: regions none of whose nodes tells anything, and why not. ``counted``: what gateways took since DNS last
    changed. ``runs``: while a release goes through the world or back, by service and region the one that a majority of
    its observers sees answer there. ``oldest``: votes of before count no more.
    """

    now: float
    course: Course
    aim: Aim
    settings: Settings
    record: Record | None
    votes: Votes
    standings: Mapping[str, Standing]
    loads: Mapping[str, Load]
    memory: Memory | None
    progress: Progress
    plan: Plan
    observers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    counted: Counted | None = None
    runs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    oldest: float = 0.0


class Judge:
    """How regions stand, from pass to pass. Which way votes lean is this controller's own affair; whoever sees a region
    fall or rise first says so for all of them.
    """

    def __init__(self, entrance: Entrance) -> None:
        self._entrance = entrance
        self._read: Mapping[str, Standing] = entrance.store.traffic.standings()
        self._known: dict[str, Standing] = dict(self._read)
        self._kept: dict[str, tuple[object, ...]] = {name: _gist(one) for name, one in self._known.items()}

    def judge(self, votes: Votes, record: Record | None, now: float) -> dict[str, Standing]:
        """How each region stands now, by these votes."""
        stored = self._read = self._entrance.store.traffic.standings()
        before = {name: self._before(name, stored.get(name), record, now) for name in votes}
        entrance = self._entrance
        return judge_regions(before, votes, entrance.observers, entrance.patience, now)

    def keep(self, found: Mapping[str, Standing], *, dry_run: bool = False) -> frozenset[str]:
        """Remember it and, but for a dry run, write down what is new in more than words.

        Regions of which another controller has said something else since ``judge`` are returned: his word stands.
        """
        self._known = dict(found)
        new = {name: one for name, one in found.items() if self._kept.get(name) != _gist(one)}
        if dry_run or not new:
            return frozenset()
        late = self._entrance.store.traffic.see(new, self._read)
        self._kept |= {name: _gist(one) for name, one in new.items() if name not in late}
        for name in late:
            del self._known[name]
        return late

    def _before(self, name: str, stored: Standing | None, record: Record | None, now: float) -> Standing:
        ours = self._known.get(name)
        if stored is not None and (ours is None or ours.state != stored.state):
            return stored
        if ours is not None:
            return ours
        there = record.endpoints.get(name) if record else None
        return first_standing(record is None or (there is not None and there.given_out), now)


@dataclass(frozen=True)
class Seen:
    """What there is to look at: what observers told, every region's nodes, what DNS was told and what it can do."""

    board: Board
    records: Mapping[str, PoolRecord]
    record: Record | None
    able: Capabilities


def look(entrance: Entrance, seen: Seen, course: Course, judge: Judge, counting: Counting) -> View:
    """What is so, and what DNS should be told for ``course``."""
    now, record = time.monotonic(), seen.record
    addresses, settings = entrance.addresses(seen.records), settings_of(entrance.spec, seen.able)
    pins = pins_of(entrance, course, settings)
    votes = votes_of(seen.board, entrance.observers, addresses, entrance.fleet.fleet, pins)
    standings = judge.judge(votes, record, now)
    memory, progress = entrance.store.traffic.memory(entrance.name)
    loads = loads_of(entrance, seen.board)
    counted = counting.look(seen.board, memory.changed + settings.settle, now) if memory else None
    aim = aim_of(entrance.spec, addresses, course.weights, frozenset(course.drained))
    plan = plan_traffic(aim, Facts(record, standings, loads, counted), memory, settings, now)
    who, silent = entrance.observers, silent_of(seen.board)
    oldest = entrance.patience.oldest(now)
    runs = runs_of(seen.board, who, addresses, oldest) if course.service or course.back else {}
    return View(
        now,
        course,
        aim,
        settings,
        record,
        votes,
        standings,
        loads,
        memory,
        progress,
        plan,
        who,
        silent,
        counted,
        runs,
        oldest,
    )


def pins_of(entrance: Entrance, course: Course, settings: Settings) -> dict[str, Expected]:
    """For each region the releases that may answer there."""
    if not course.pins:
        return {}
    origin = entrance.store.traffic.course(entrance.name, course.origin) if course.origin else None
    runs = [name for name in entrance.regions if course.pinned(course.service, name)] or list(entrance.regions)
    rules = held_to(course, rules_of(entrance.spec, runs, settings.settle))
    return {name: expected(course, origin or course, name, rules) for name in entrance.regions}


def loads_of(entrance: Entrance, board: Board) -> dict[str, Load]:
    """What each region had to do in the last minute, of those of which a node has told."""
    found = {}
    for name, words in board.nodes.items():
        cpus = entrance.regions[name].spec.pool.size.cpus
        if load := load_of([word.report() for word in words.values()], cpus):
            found[name] = load
    return found


def _gist(one: Standing) -> tuple[object, ...]:
    """What must outlive this process: where it leans since when, so that a timer's passes add up."""
    return one.state, one.since, one.known, one.leaning, one.falls
