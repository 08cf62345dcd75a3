"""What the store knows of a region besides its nodes, read in one go: for who shows it, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, select

from du_infra.health.heal import HOUR
from du_infra.pool.wish import Scaled
from du_infra.seeing.state import EventSeen, LeaseSeen, ReleaseSeen
from du_infra.store import tables
from du_infra.store.gate import Gate
from du_infra.store.healings import age_of, healings
from du_infra.store.leases import DEAD_SECONDS, ended
from du_infra.store.owner import parse
from du_infra.store.sql import is_postgresql, now

_RELEASES = 20
_EVENTS = 20


@dataclass(frozen=True)
class Stored:
    """The newest releases and events of a region, who is at work, its replacements (open ones, and of an hour), and
    what the last scale asked for."""

    releases: tuple[ReleaseSeen, ...] = ()
    leases: tuple[LeaseSeen, ...] = ()
    events: tuple[EventSeen, ...] = ()
    replacing: int = 0
    replaced: int = 0
    scaled: Scaled | None = None


class Seeing:
    """Reads what others wrote; a look is one connection, however much there is."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def of(self, region: str) -> Stored:
        """What is kept of a region. Raises what SQLAlchemy does, or Unreachable, when the store does not answer."""
        with self._gate.connect() as connection:
            return _read(connection, region, now(connection))


def _read(connection: Connection, region: str, wall: float) -> Stored:
    rollouts, leases, events, wishes = tables.rollouts, tables.leases, tables.events, tables.pool_wishes
    of_region = leases.c.name.startswith(f"{region}/", autoescape=True)
    held = connection.execute(select(leases).where(of_region).order_by(leases.c.name)).all()
    newest = select(rollouts).where(rollouts.c.region == region).order_by(rollouts.c.id.desc()).limit(_RELEASES)
    released = connection.execute(newest).all()
    latest = select(events).where(events.c.region == region).order_by(events.c.id.desc()).limit(_EVENTS)
    happened = connection.execute(latest).all()
    replaced = connection.execute(select(healings).where(healings.c.region == region)).all()
    wish = connection.execute(select(wishes).where(wishes.c.region == region)).first()
    shared = is_postgresql(connection)
    signed = tuple(_lease(row, wall) for row in held if not ended(row, shared=shared))
    return Stored(
        releases=tuple(_release(row, region, signed) for row in released),
        leases=signed,
        events=tuple(EventSeen(row.time, row.actor, row.kind, row.text) for row in happened),
        replacing=sum(row.state == "running" for row in replaced),
        replaced=sum(age_of(row, wall) < HOUR for row in replaced),
        scaled=Scaled(wish.nodes, wish.mark, wish.actor, wish.time) if wish else None,
    )


def _lease(row: Row[Any], wall: float) -> LeaseSeen:
    return LeaseSeen(row.name, parse(row.owner).who, row.what, row.taken, max(0.0, wall - row.beat))


def _release(row: Row[Any], region: str, leases: Sequence[LeaseSeen]) -> ReleaseSeen:
    """One that runs and that nobody signs for was cut off. Who comes to do something about it makes sure of that first
    (store.leases); here nobody waits for it."""
    at_work = any(one.name == f"{region}/{row.service}" and one.signed < DEAD_SECONDS for one in leases)
    return ReleaseSeen(
        id=row.id,
        service=row.service,
        kind=row.kind,
        release=row.release,
        previous=row.previous,
        actor=row.actor,
        state="cut-off" if row.state == "running" and not at_work else row.state,
        why=row.why,
        started=row.started,
        ended=row.ended,
    )
