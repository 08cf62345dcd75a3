"""What the autoscaler must remember: the measures of the last hours, and when it changed a region's number of nodes.

Measures are timed by the monotonic clock and count within one boot of this machine: after another there are none, and
none means that nothing is done. A change keeps both clocks, so that a cool-down outlives a reboot.
"""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from du_infra.autoscale.plan import REMEMBERED_SECONDS
from du_infra.autoscale.state import Change, Sample
from du_infra.store.gate import Gate
from du_infra.store.owner import boot
from du_infra.store.sql import now
from du_infra.store.tables import metadata

KEPT_SECONDS = 3 * 3600.0
"""How long measures are kept: longer than any planner looks back, for who wants to draw them."""
_CLOSEST = 4.0
_CHANGES_KEPT = 200
_MEASURES = ("nodes", "silent", "cpu", "memory", "pressure", "rps", "p95")

samples = Table(
    "autoscale_samples",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("region", String, nullable=False, index=True),
    Column("boot", String, nullable=False),
    Column("clock", Float, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("silent", Integer, nullable=False),
    Column("cpu", Float),
    Column("memory", Float),
    Column("pressure", Float),
    Column("rps", Float),
    Column("p95", Float),
)

changes = Table(
    "autoscale_changes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("region", String, nullable=False, index=True),
    Column("boot", String, nullable=False),
    Column("clock", Float, nullable=False),
    Column("time", Float, nullable=False),
    Column("before", Integer, nullable=False),
    Column("after", Integer, nullable=False),
    Column("why", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
)


class Autoscaling:
    """The tables of the autoscaler; a region's service stands among the regions, as "region/service".

    Every method is one transaction; times are seconds of ``time.monotonic()``.
    """

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def add(self, region: str, sample: Sample) -> None:
        """Keep a sample, unless one was kept a moment before; drop those that are too old, or of another boot."""
        t, old = samples, sample.when - KEPT_SECONDS
        mine = t.c.region == region
        row: dict[str, Any] = {name: getattr(sample, name) for name in _MEASURES}
        row |= {"region": region, "boot": boot(), "clock": sample.when}
        with self._gate.begin() as connection:
            connection.execute(delete(t).where(mine, (t.c.boot != boot()) | (t.c.clock < old)))
            close = t.c.clock.between(sample.when - _CLOSEST, sample.when + _CLOSEST)
            if connection.execute(select(t.c.id).where(mine, close).limit(1)).first() is None:
                connection.execute(insert(t).values(row))

    def samples(self, region: str, since: float) -> list[Sample]:
        """Those taken at ``since`` or later, within this boot, the oldest first."""
        t = samples
        query = select(t).where(t.c.region == region, t.c.boot == boot(), t.c.clock >= since).order_by(t.c.clock)
        with self._gate.connect() as connection:
            return [
                Sample(row.clock, **{name: getattr(row, name) for name in _MEASURES})
                for row in connection.execute(query)
            ]

    def begin(self, region: str, before: int, after: int, why: str) -> None:
        """Note that the number of nodes is being changed."""
        row: dict[str, Any] = {"region": region, "boot": boot(), "clock": time.monotonic()}
        row |= {"before": before, "after": after, "why": why, "ended": False}
        with self._gate.begin() as connection:
            connection.execute(insert(changes).values(**row, time=now(connection)))
            _prune(connection, region)

    def end(self, region: str) -> None:
        """Note that what was begun has been done: what is measured from now on is measured with it."""
        mine = (changes.c.region == region, changes.c.ended.is_(False))
        with self._gate.begin() as connection:
            done = {"boot": boot(), "clock": time.monotonic(), "time": now(connection), "ended": True}
            connection.execute(update(changes).where(*mine).values(done))

    def changes(self, region: str) -> list[Change]:
        """What was changed in the last hours, the oldest first, on this boot's clock."""
        t = changes
        with self._gate.connect() as connection:
            rows = connection.execute(select(t).where(t.c.region == region).order_by(t.c.id)).all()
            wall = now(connection)
        clock = time.monotonic()
        found = [(_age(row, wall), row) for row in rows]
        return [
            Change(clock - age, row.before, row.after, row.why, row.ended)
            for age, row in found
            if 0 <= age < REMEMBERED_SECONDS
        ]


def forget(connection: Connection, region: str) -> None:
    """Drop what is kept of a region."""
    for table in (samples, changes):
        ours = (table.c.region == region) | table.c.region.startswith(f"{region}/", autoescape=True)
        connection.execute(delete(table).where(ours))


def _prune(connection: Connection, region: str) -> None:
    newest = select(changes.c.id).where(changes.c.region == region).order_by(changes.c.id.desc()).limit(_CHANGES_KEPT)
    connection.execute(delete(changes).where(changes.c.region == region, changes.c.id.not_in(newest)))


def _age(row: Row[Any], wall: float) -> float:
    """By the clock that can be set only where this machine was booted since: a clock set back makes nothing younger."""
    return float(time.monotonic() - row.clock if row.boot == boot() else abs(wall - row.time))
