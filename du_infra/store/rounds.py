"""Rounds over a region's nodes that have not come to an end: what is done, whose turn it is."""

from __future__ import annotations

import json
import time

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, insert, select, update

from du_infra.pool.turns import Round, RoundKind
from du_infra.store.gate import Gate
from du_infra.store.sql import alone
from du_infra.store.tables import metadata

t = Table(
    "rounds",
    metadata,
    Column("region", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("done", Text, nullable=False),
    Column("turn", String, nullable=False),
    Column("boot", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("started", Float, nullable=False),
)


class Rounds:
    """The table of open rounds, one of a kind in a region. Every method is one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def open(self, region: str, kind: RoundKind) -> Round | None:
        """The round that was begun and has not ended, None when there is none."""
        with self._gate.connect() as connection:
            row = connection.execute(select(t).filter_by(region=region, kind=kind)).first()
        return Round(kind, tuple(json.loads(row.done)), row.turn, row.boot, row.actor, row.started) if row else None

    def begin(self, region: str, kind: RoundKind, actor: str) -> Round:
        """Begin one, in place of any of its kind; no node has had its turn."""
        begun = Round(kind, actor=actor, started=time.time())
        row = {"region": region, "kind": kind, "actor": actor, "started": begun.started}
        with self._gate.begin() as connection:
            alone(connection, region)
            connection.execute(delete(t).filter_by(region=region, kind=kind))
            connection.execute(insert(t).values(**row, done="[]", turn="", boot=""))
        return begun

    def change(self, region: str, begun: Round) -> Round:
        """Write down how far a round is, or whose turn begins."""
        fields = {"done": json.dumps(begun.done), "turn": begun.turn, "boot": begun.boot}
        with self._gate.begin() as connection:
            connection.execute(update(t).filter_by(region=region, kind=begun.kind).values(**fields))
        return begun

    def end(self, region: str, kind: RoundKind) -> None:
        """Every node has had its turn: the next round begins anew."""
        with self._gate.begin() as connection:
            connection.execute(delete(t).filter_by(region=region, kind=kind))


def forget(connection: Connection, region: str) -> None:
    """Drop a region's rounds."""
    connection.execute(delete(t).where(t.c.region == region))
