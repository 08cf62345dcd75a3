"""Controllers that share the store, and which region each of them holds.

A controller that is there signs; a region is held by having a row. Who finds one that has died buries it, which frees
its regions in the same transaction; it comes back, if it was only frozen, as a new one under a new id. So the id is the
token of all that it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from du_infra.errors import Busy
from du_infra.store.gate import Fence, Gate
from du_infra.store.owner import Owner, parse
from du_infra.store.sql import hurry, is_postgresql, now
from du_infra.store.tables import metadata

controllers = Table(
    "controllers",
    metadata,
    Column("id", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("minds", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("beat", Float, nullable=False),
)

shares = Table(
    "shares",
    metadata,
    Column("region", String, primary_key=True),
    Column("controller", String, nullable=False, index=True),
)


@dataclass(frozen=True)
class Controller:
    """One that signed at ``beat``, and would mind these regions."""

    owner: Owner
    minds: frozenset[str]
    beat: float


@dataclass(frozen=True)
class Board:
    """All of it at one moment, which is ``wall`` by the store's clock. ``holds``: region → id of its controller."""

    wall: float
    controllers: Mapping[str, Controller]
    holds: Mapping[str, str]


class Controllers:
    """The tables of controllers. Every method is one transaction, and passes no fence."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def join(self, me: str, owner: Owner, minds: Set[str]) -> None:
        """Be there from now on, under an id that nobody had before."""
        with self._gate.begin(fenced=False) as connection:
            wall = now(connection)
            row = {"id": me, "owner": str(owner), "minds": json.dumps(sorted(minds)), "started": wall, "beat": wall}
            connection.execute(insert(controllers).values(row))

    def sign(self, me: str, minds: Set[str] | None = None) -> Board | None:
        """Say that we are there still, and what we would mind if that has changed; None when we were buried."""
        fields = {} if minds is None else {"minds": json.dumps(sorted(minds))}
        with self._gate.begin(fenced=False) as connection:
            wall = now(connection)
            signed = update(controllers).where(controllers.c.id == me).values(beat=wall, **fields)
            return _board(connection, wall) if connection.execute(signed).rowcount else None

    def board(self) -> Board:
        """Who is there, and who holds what."""
        with self._gate.connect() as connection:
            return _board(connection, now(connection))

    def take(self, me: str, names: Iterable[str]) -> set[str]:
        """Hold those of the regions that nobody holds; which they were. None of them when we were buried."""
        rows = [{"region": name, "controller": me} for name in sorted(names)]  # sorted: no two block each other
        with self._gate.begin(fenced=False) as connection:
            there = select(controllers.c.id).where(controllers.c.id == me).with_for_update(read=True)
            if not rows or connection.execute(there).first() is None:
                return set()
            once = postgresql.insert if is_postgresql(connection) else sqlite.insert
            took = once(shares).values(rows).on_conflict_do_nothing().returning(shares.c.region)
            return set(connection.scalars(took))

    def give(self, me: str, names: Iterable[str]) -> None:
        """Hold these no longer."""
        with self._gate.begin(fenced=False) as connection:
            connection.execute(delete(shares).where(shares.c.controller == me, shares.c.region.in_(sorted(names))))

    def bury(self, dead: str, beat: float) -> bool:
        """Free what one that has died holds.

        False when it has signed since ``beat``, another was quicker, or a write of it is not over: one that stands
        still in the middle of it is cut off by PostgreSQL after a while, and nobody should wait for that.
        """
        with suppress(Busy), self._gate.begin(fenced=False) as connection:
            hurry(connection)
            gone = delete(controllers).where(controllers.c.id == dead, controllers.c.beat == beat)
            if not connection.execute(gone).rowcount:
                return False
            connection.execute(delete(shares).where(shares.c.controller == dead))
            return True
        return False

    def leave(self, me: str) -> None:
        """Go, and free what we hold."""
        with self._gate.begin(fenced=False) as connection:
            connection.execute(delete(controllers).where(controllers.c.id == me))
            connection.execute(delete(shares).where(shares.c.controller == me))


def held(me: str, region: str) -> Fence:
    """For writes that count only while the region is ours."""
    row = select(shares.c.region).where(shares.c.region == region, shares.c.controller == me)
    return Fence(row, "another controller minds this region now", region)


def _board(connection: Connection, wall: float) -> Board:
    there = {
        row.id: Controller(parse(row.owner), frozenset(json.loads(row.minds)), row.beat)
        for row in connection.execute(select(controllers).order_by(controllers.c.id))
    }
    return Board(wall, there, {row.region: row.controller for row in connection.execute(select(shares))})
