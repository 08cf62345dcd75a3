"""What healing must remember: which nodes are in a bad way since when, and which were replaced by nobody's order.

Times of what is seen are of the monotonic clock and count within one boot of this machine: after another, whatever was
seen is seen anew. A healing keeps both clocks, so that the budget of an hour outlives a reboot.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

from du_infra.health.heal import HOUR, History, Sighting, Start
from du_infra.store.gate import Gate
from du_infra.store.owner import boot
from du_infra.store.sql import alone, now
from du_infra.store.tables import metadata

sightings = Table(
    "sightings",
    metadata,
    Column("node", String, primary_key=True),
    Column("region", String, nullable=False, index=True),
    Column("boot", String, nullable=False),
    Column("condition", String, nullable=False),
    Column("since", Float, nullable=False),
    Column("started", Float),
    Column("start_failed", Boolean, nullable=False),
)

healings = Table(
    "healings",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("region", String, nullable=False, index=True),
    Column("node", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("nodes", Integer, nullable=False),
    Column("actor", String, nullable=False),
    Column("state", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("boot", String, nullable=False),
    Column("clock", Float, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Record:
    """One replacement: ``state`` is "running" until it is "done"; ``started`` and ``ended`` in Unix seconds.

    ``nodes``: how many nodes the region had, and is to have afterwards.
    """

    id: int
    region: str
    node: str
    why: str
    nodes: int
    actor: str
    state: str
    detail: str
    started: float
    ended: float | None


class Healings:
    """The tables of healing. Every method is one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def history(self, region: str, release: str) -> History:
        """What the planner must know of earlier passes, on the monotonic clock of this boot."""
        with self._gate.connect() as connection:
            seen = connection.execute(select(sightings).where(sightings.c.region == region)).all()
            rows = connection.execute(select(healings).where(healings.c.region == region)).all()
            wall = now(connection)
        seen = [row for row in seen if row.boot == boot()]
        clock = time.monotonic()
        return History(
            sightings={row.node: Sighting(row.condition, row.since) for row in seen},
            started={row.node: Start(row.started, row.start_failed) for row in seen if row.started is not None},
            replaced=[clock - age for row in rows if (age := age_of(row, wall)) < HOUR],
            release=release,
        )

    def see(self, region: str, seen: Mapping[str, Sighting]) -> None:
        """Keep what was seen in place of what was kept; a start stays known as long as its node is in a bad way."""
        with self._gate.begin() as connection:
            alone(connection, region)
            old = connection.execute(select(sightings).where(sightings.c.region == region)).all()
            kept = {row.node: row for row in old if row.boot == boot()}
            connection.execute(delete(sightings).where(sightings.c.region == region))
            for node, sighting in seen.items():
                before = kept.get(node)
                row: dict[str, Any] = {"node": node, "region": region, "boot": boot()}
                row |= {"condition": sighting.condition, "since": sighting.since}
                row |= {"started": before.started if before else None}
                row |= {"start_failed": bool(before and before.start_failed)}
                connection.execute(insert(sightings).values(row))

    def started(self, node: str, *, failed: bool) -> None:
        """Note that the machine of a node that was seen in a bad way was started just now, or could not be."""
        values = {"started": time.monotonic(), "start_failed": failed}
        with self._gate.begin() as connection:
            connection.execute(update(sightings).where(sightings.c.node == node).values(**values))

    def begin(self, region: str, node: str, why: str, nodes: int, actor: str) -> None:
        """Note that a node of a region of ``nodes`` is being replaced."""
        row: dict[str, Any] = {"region": region, "node": node, "why": why, "nodes": nodes}
        row |= {"actor": actor, "state": "running", "detail": ""}
        row |= {"boot": boot(), "clock": time.monotonic()}
        with self._gate.begin() as connection:
            connection.execute(insert(healings).values(**row, started=now(connection)))

    def open(self, region: str) -> dict[str, Record]:
        """Replacements that have not come to an end, by node."""
        return {record.node: record for record in self.all(region) if record.state == "running"}

    def note(self, region: str, detail: str) -> None:
        """Note what became of an attempt that failed; the replacement stays open."""
        mine = (healings.c.region == region, healings.c.state == "running")
        with self._gate.begin() as connection:
            connection.execute(update(healings).where(*mine).values(detail=detail))

    def end(self, region: str, nodes: Iterable[str], detail: str = "") -> None:
        """Note that these nodes have been replaced; ``detail`` in words."""
        mine = (healings.c.region == region, healings.c.node.in_(list(nodes)), healings.c.state == "running")
        with self._gate.begin() as connection:
            done = {"state": "done", "detail": detail, "ended": now(connection)}
            connection.execute(update(healings).where(*mine).values(**done))

    def all(self, region: str) -> list[Record]:
        """Every replacement in a region, the newest first."""
        query = select(healings).where(healings.c.region == region).order_by(healings.c.id.desc())
        with self._gate.connect() as connection:
            return [_record(row) for row in connection.execute(query)]


def forget(connection: Connection, region: str) -> None:
    """Drop what is kept of a region."""
    connection.execute(delete(sightings).where(sightings.c.region == region))
    connection.execute(delete(healings).where(healings.c.region == region))


def age_of(row: Row[Any], wall: float) -> float:
    """How long ago a replacement began; by the clock that can be set only where this machine was booted since."""
    return float(time.monotonic() - row.clock if row.boot == boot() else abs(wall - row.started))


def _record(row: Row[Any]) -> Record:
    return Record(
        row.id, row.region, row.node, row.why, row.nodes, row.actor, row.state, row.detail, row.started, row.ended
    )
