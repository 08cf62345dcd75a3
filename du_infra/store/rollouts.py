"""The history of releases: every one that was begun, how far it came, how and why it ended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, func, insert, or_, select, update

from du_infra.release.state import OPEN, Rollout, State
from du_infra.store.gate import Gate
from du_infra.store.tables import rollouts as t

_JSON = ("options", "nodes")


class Rollouts:
    """The table of rollouts. Every method is one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def begin(self, rollout: Rollout) -> Rollout:
        """Write a new one down; the same with the number it got."""
        row = {name: getattr(rollout, name) for name in _columns() if name != "id"}
        with self._gate.begin() as connection:
            (number,) = connection.execute(insert(t).values(_stored(row))).inserted_primary_key or (0,)
        return self.get(int(number))

    def change(self, number: int, **fields: Any) -> Rollout:
        """Set fields of an open one; the whole as it is then. One that has ended stays as it ended."""
        with self._gate.begin() as connection:
            connection.execute(update(t).where(t.c.id == number, t.c.state.in_(OPEN)).values(_stored(fields)))
        return self.get(number)

    def end(self, number: int, state: State, **fields: Any) -> Rollout:
        """Close it as ``state``."""
        return self.change(number, **fields, state=state, ended=time.time())

    def get(self, number: int) -> Rollout:
        """The one with this number. Raises KeyError when there is none."""
        with self._gate.connect() as connection:
            row = connection.execute(select(t).where(t.c.id == number)).first()
        if row is None:
            raise KeyError(number)
        return _read(row)

    def history(self, region: str, service: str = "", *, limit: int = 1000) -> list[Rollout]:
        """Those of a region, or of one service there, the newest first."""
        query = select(t).where(t.c.region == region).order_by(t.c.id.desc()).limit(limit)
        if service:
            query = query.where(t.c.service == service)
        with self._gate.connect() as connection:
            return [_read(row) for row in connection.execute(query)]

    def live(self, region: str) -> list[Rollout]:
        """Of each service the newest that says which release serves, however many of other services came after it."""
        gone_live, still = and_(t.c.state == "done", t.c.release != ""), and_(t.c.state != "done", t.c.previous != "")
        newest = select(func.max(t.c.id)).where(t.c.region == region, or_(gone_live, still)).group_by(t.c.service)
        with self._gate.connect() as connection:
            return [_read(row) for row in connection.execute(select(t).where(t.c.id.in_(newest)))]

    def open(self, region: str) -> dict[str, Rollout]:
        """Those of a region that have not come to an end, by service."""
        query = select(t).where(t.c.region == region, t.c.state.in_(OPEN)).order_by(t.c.id)
        with self._gate.connect() as connection:
            return {row.service: _read(row) for row in connection.execute(query)}

    def open_of(self, service: str) -> frozenset[str]:
        """The regions where one of this service has not come to an end."""
        query = select(t.c.region).where(t.c.service == service, t.c.state.in_(OPEN))
        with self._gate.connect() as connection:
            return frozenset(connection.scalars(query))

    def last_done(self, region: str, service: str) -> Rollout | None:
        """The newest that went live to its end, None when none did."""
        query = select(t).where(t.c.region == region, t.c.service == service, t.c.state == "done")
        with self._gate.connect() as connection:
            row = connection.execute(query.order_by(t.c.id.desc()).limit(1)).first()
        return _read(row) if row else None


def forget(connection: Connection, region: str) -> None:
    """Drop a region's history."""
    connection.execute(delete(t).where(t.c.region == region))


def _columns() -> list[str]:
    return [column.name for column in t.columns]


def _stored(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if name in _JSON else value for name, value in fields.items()}


def _read(row: Row[Any]) -> Rollout:
    fields = dict(row._mapping)
    return Rollout(**{name: json.loads(value) if name in _JSON else value for name, value in fields.items()})
