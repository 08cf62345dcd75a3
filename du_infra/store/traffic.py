"""What is remembered of the world's entrance: what was wanted, by whom and why; how regions stood; what was decided.

Times of planners are of the monotonic clock. Where another boot, or another machine, reads them, they are moved by what
has passed on the clock of the wall, so that a soak or an hour's budget goes on; only what leant is seen anew.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from du_infra.errors import Busy
from du_infra.health.state import Standing, standing_from
from du_infra.store.gate import Gate
from du_infra.store.owner import boot
from du_infra.store.sql import alone, now
from du_infra.store.tables import metadata
from du_infra.traffic.course import Course, course_from
from du_infra.traffic.memory import Memory, memory_from, record_from
from du_infra.traffic.state import Record
from du_infra.traffic.waves import Progress
from du_infra.traffic.words import Action

DECISIONS_KEPT = 5000
_SAME_SECONDS = 1.0
_STANDINGS = " standings"  # no region's or zone's name begins with a blank

courses = Table(
    "traffic_courses",
    metadata,
    Column("name", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("previous", Integer, nullable=False),
    Column("actor", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("time", Float, nullable=False),
    Column("course", Text, nullable=False),
)

memories = Table(
    "traffic_memories",
    metadata,
    Column("name", String, primary_key=True),
    Column("boot", String, nullable=False),
    Column("clock", Float, nullable=False),
    Column("time", Float, nullable=False),
    Column("memory", Text, nullable=False),
    Column("progress", Text, nullable=False),
)

standings = Table(
    "region_standings",
    metadata,
    Column("region", String, primary_key=True),
    Column("boot", String, nullable=False),
    Column("clock", Float, nullable=False),
    Column("time", Float, nullable=False),
    Column("state", String, nullable=False),
    Column("standing", Text, nullable=False),
)

decisions = Table(
    "traffic_decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String, nullable=False, index=True),
    Column("time", Float, nullable=False),
    Column("actor", String, nullable=False),
    Column("actions", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("record", Text, nullable=False),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Decided:
    """One decision about a name: what was done and why, what waited, the record before it (None: none) and after it."""

    id: int
    time: float
    actor: str
    actions: tuple[Action, ...]
    notes: tuple[str, ...]
    before: Record | None
    record: Record | None


class Traffic:
    """The tables of the world's entrance; a name is the whole DNS name. Every method is one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def course(self, name: str, number: int = 0) -> Course | None:
        """The course with this number, or the newest; None when there is none."""
        query = select(courses).where(courses.c.name == name).order_by(courses.c.number.desc()).limit(1)
        if number:
            query = query.where(courses.c.number == number)
        with self._gate.connect() as connection:
            row = connection.execute(query).first()
        return _course(row.course) if row else None

    def courses(self, name: str, limit: int = 1000) -> list[Course]:
        """What was wanted, the newest first."""
        query = select(courses.c.course).where(courses.c.name == name).order_by(courses.c.number.desc()).limit(limit)
        with self._gate.connect() as connection:
            return [_course(text) for text in connection.scalars(query)]

    def set_course(self, name: str, course: Course, actor: str, why: str) -> Course:
        """Keep what is wanted from now on; the same with the number it got.

        Raises Busy when another one is the newest than the one that it follows.
        """
        kept = replace(course, number=course.previous + 1, actor=actor, why=why)
        row = {"name": name, "number": kept.number, "previous": kept.previous, "actor": actor, "why": why}
        try:
            with self._gate.begin() as connection:
                newest = connection.scalar(select(func.max(courses.c.number)).where(courses.c.name == name)) or 0
                if newest != course.previous:
                    raise _too_late(name, newest)
                kept = replace(kept, at=now(connection))
                row |= {"time": kept.at, "course": json.dumps(kept.to_json())}
                connection.execute(insert(courses).values(row))
        except IntegrityError as error:
            raise _too_late(name, kept.number) from error
        return kept

    def memory(self, name: str) -> tuple[Memory | None, Progress]:
        """What the last pass left, on this boot's clock."""
        with self._gate.connect() as connection:
            row = connection.execute(select(memories).where(memories.c.name == name)).first()
            wall = now(connection)
        if row is None:
            return None, Progress()
        shift, told = _shift(row, wall, boot()), json.loads(row.progress)
        since = None if told["since"] is None else told["since"] + shift
        return _memory(row.memory, shift), Progress(since, frozenset(told["ran"]), told.get("course", 0))

    def remember(self, name: str, memory: Memory, progress: Progress | None = None) -> None:
        """Keep what a pass leaves; before its record is written."""
        row = {"name": name, "memory": json.dumps(memory.to_json()), "progress": _far(progress or Progress())}
        with self._gate.begin() as connection:
            alone(connection, name)
            connection.execute(delete(memories).where(memories.c.name == name))
            connection.execute(insert(memories).values(row | _moment(connection)))

    def progressed(self, name: str, progress: Progress) -> None:
        """Keep how far a release's wave is; what else the last pass left stays."""
        with self._gate.begin() as connection:
            alone(connection, name)
            row = connection.execute(select(memories).where(memories.c.name == name)).first()
            if row is not None:
                told = _far(progress, _shift(row, now(connection), boot()))
                connection.execute(update(memories).where(memories.c.name == name).values(progress=told))

    def standings(self) -> dict[str, Standing]:
        """How every region stood when it was last looked at, on this boot's clock."""
        with self._gate.connect() as connection:
            rows, wall, here = connection.execute(select(standings)).all(), now(connection), boot()
        return {row.region: _standing(row, wall, here) for row in rows}

    def see(self, seen: Mapping[str, Standing], read: Mapping[str, Standing] | None = None) -> frozenset[str]:
        """Keep how these regions stand; of all others what was kept stays.

        ``read``: what ``standings`` gave, by which they were judged. Who stands otherwise there now has fallen or risen
        by another's word meanwhile: that stays, and such regions are returned.
        """
        if not seen:
            return frozenset()
        with self._gate.begin() as connection:
            alone(connection, _STANDINGS)
            late = self._otherwise(connection, seen, read) if read is not None else frozenset()
            moment, new = _moment(connection), {name: one for name, one in seen.items() if name not in late}
            connection.execute(delete(standings).where(standings.c.region.in_(list(new))))
            if new:
                connection.execute(insert(standings), [_row(name, one) | moment for name, one in new.items()])
        return late

    def _otherwise(
        self, connection: Connection, seen: Mapping[str, Standing], read: Mapping[str, Standing]
    ) -> frozenset[str]:
        rows = connection.execute(select(standings).where(standings.c.region.in_(list(seen)))).all()
        wall, here = now(connection), boot()
        there = {row.region: _standing(row, wall, here) for row in rows}
        return frozenset(name for name in seen if not _alike(there.get(name), read.get(name)))

    def decided(
        self,
        name: str,
        actor: str,
        actions: Iterable[Action],
        notes: Iterable[str],
        before: Record | None,
        record: Record | None,
    ) -> None:
        """Keep a decision; the oldest are dropped when there are very many."""
        row: dict[str, Any] = {"name": name, "actor": actor, "notes": json.dumps(list(notes))}
        row |= {"actions": json.dumps([asdict(one) for one in actions])}
        row |= {"before": _written(before), "record": _written(record)}
        with self._gate.begin() as connection:
            connection.execute(insert(decisions).values(**row, time=now(connection)))
            newest = select(decisions.c.id).where(decisions.c.name == name).order_by(decisions.c.id.desc())
            last = connection.scalar(newest.offset(DECISIONS_KEPT).limit(1))
            if last is not None:
                connection.execute(delete(decisions).where(decisions.c.name == name, decisions.c.id <= last))

    def decisions(self, name: str, region: str = "", limit: int = 100) -> list[Decided]:
        """What was decided about a name, or in the last decisions about one region, the newest first."""
        query = select(decisions).where(decisions.c.name == name).order_by(decisions.c.id.desc())
        with self._gate.connect() as connection:
            rows = connection.execute(query.limit(DECISIONS_KEPT if region else limit)).all()
        found = [_decided(row) for row in rows]
        chosen = [one for one in found if not region or any(action.region == region for action in one.actions)]
        return chosen[:limit]


def forget(connection: Connection, region: str) -> None:
    """Drop how a region stood. What was decided, and wanted, is the history of the name, and stays."""
    connection.execute(delete(standings).where(standings.c.region == region))


def _row(name: str, one: Standing) -> dict[str, str]:
    return {"region": name, "state": one.state, "standing": json.dumps(one.to_json())}


def _far(progress: Progress, shift: float = 0.0) -> str:
    since = None if progress.since is None else progress.since - shift
    return json.dumps({"since": since, "ran": sorted(progress.ran), "course": progress.course})


def _alike(one: Standing | None, other: Standing | None) -> bool:
    """Whether it is the same fall or rise; times of another boot are read a little differently each time."""
    if one is None or other is None:
        return one is other
    return one.state == other.state and abs(one.since - other.since) < _SAME_SECONDS


def _too_late(name: str, newest: int) -> Busy:
    return Busy(
        f"what is wanted was changed meanwhile (it is number {newest} now)",
        where=name,
        todo="look again with `du-infra traffic status`",
    )


def _moment(connection: Connection) -> dict[str, Any]:
    return {"boot": boot(), "clock": time.monotonic(), "time": now(connection)}


def _shift(row: Row[Any], wall: float, here: str) -> float:
    """What to add to times of the clock that the row was written by; a clock set back makes nothing younger.

    ``wall``: now, by the clock of all who share the store; ``here``: this boot.
    """
    return 0.0 if row.boot == here else float(time.monotonic() - abs(wall - row.time) - row.clock)


@lru_cache(maxsize=1 << 15)
def _told(text: str) -> Standing:
    """Of ten thousand regions a few stand otherwise than half a second ago: only those are parsed."""
    return standing_from(json.loads(text))


@lru_cache(maxsize=8)
def _course(text: str) -> Course:
    """Each pass reads the newest, and of a release that goes through the world the one before it, too."""
    return course_from(json.loads(text))


@lru_cache(maxsize=4)
def _memory(text: str, shift: float) -> Memory:
    """The same for the one memory of a name, which is as long as all its regions."""
    return memory_from(json.loads(text), shift)


def _standing(row: Row[Any], wall: float, here: str) -> Standing:
    found, shift = _told(row.standing), _shift(row, wall, here)
    if not shift:
        return found
    falls = tuple(at + shift for at in found.falls)
    return replace(found, since=found.since + shift, falls=falls, leaning=None, known=False)


def _written(record: Record | None) -> str:
    return json.dumps(asdict(record)) if record else ""


def _decided(row: Row[Any]) -> Decided:
    actions = tuple(Action(**one) for one in json.loads(row.actions))
    before, record = (record_from(json.loads(text)) if text else None for text in (row.before, row.record))
    return Decided(row.id, row.time, row.actor, actions, tuple(json.loads(row.notes)), before, record)
