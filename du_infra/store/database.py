"""What must outlive a command: who owns the machines, which names were given out, what was released."""

from __future__ import annotations

import getpass
import json
import os
import secrets
import socket
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, delete, insert, select
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import NullPool

from du_infra.errors import DuError, Refused, SpecError, ToolMissing
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.pool.wish import Scaled
from du_infra.store import autoscaling, clusters, healings, leases, rollouts, rounds, seeing, tables, told
from du_infra.store.migrate import add_missing_columns

_SQLITE = "sqlite:///"
_LOCK_WAIT_SECONDS = 15


class Store:
    """The state of one fleet. Every method is one transaction; a kill leaves the last one whole."""

    def __init__(self, url: str, folder: Path) -> None:
        """Open (and make) the store at ``url``; a relative SQLite path counts from ``folder``.

        Raises SpecError for a URL that is no SQLite URL, DuError when the file is no database of ours.
        """
        if not url.startswith(_SQLITE):
            raise SpecError(
                "only sqlite:/// stores work today",
                where=f"state: {url}",
                todo="write sqlite:///.du/state.db",
            )
        self.path = folder / url.removeprefix(_SQLITE)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        options: dict[str, Any] = {"connect_args": {"timeout": _LOCK_WAIT_SECONDS}, "poolclass": NullPool}
        self._engine = create_engine(f"{_SQLITE}{self.path}", **options)
        try:
            _make_tables(self._engine)
        except DatabaseError as error:
            raise self._unusable(error) from error
        self.path.chmod(0o600)
        self.rollouts = rollouts.Rollouts(self._engine)
        self.leases = leases.Leases(self._engine)
        self.healings = healings.Healings(self._engine)
        self.autoscaling = autoscaling.Autoscaling(self._engine)
        self.rounds = rounds.Rounds(self._engine)
        self.clusters = clusters.Clusters(self._engine)
        self.seeing = seeing.Seeing(self._engine)
        self.told = told.Told(self._engine)

    def _unusable(self, error: DatabaseError) -> DuError:
        where, words = str(self.path), str(error.orig)
        if not os.access(self.path if self.path.exists() else self.path.parent, os.R_OK | os.W_OK):
            todo = "run the command as the user who brought the fleet up"
            return ToolMissing("this user may not use the fleet's store", where=where, todo=todo, detail=words)
        return DuError(
            "the store cannot be opened",
            where=where,
            todo="check the disk and the file; it knows whose the machines are, so bring it back from a backup",
            detail=words,
        )

    def claim(self, fleet: str) -> None:
        """Note whose store this is, the first time. Raises Refused when it is another fleet's."""
        t = tables.meta
        with self._engine.begin() as connection:
            known = connection.scalar(select(t.c.value).where(t.c.key == "fleet"))
            if known is None:
                connection.execute(insert(t).values(key="fleet", value=fleet))
            elif known != fleet:
                raise Refused(
                    f"this folder holds the state of the fleet {known}, not of {fleet}",
                    where=str(self.path),
                    todo="put each fleet's file into a folder of its own",
                )

    def owner(self) -> str:
        """The mark that this store's machines carry; made up once."""
        with self._engine.begin() as connection:
            known = connection.scalar(select(tables.meta.c.value).where(tables.meta.c.key == "owner"))
            if known:
                return str(known)
            mark = secrets.token_hex(8)
            connection.execute(insert(tables.meta).values(key="owner", value=mark))
            return mark

    def pool(self, region: str) -> PoolRecord:
        """What is recorded of a region's pool; an empty record when nothing is."""
        t = tables.nodes
        with self._engine.connect() as connection:
            row = connection.execute(select(tables.regions).where(tables.regions.c.name == region)).first()
            rows = connection.execute(select(t).where(t.c.region == region)).all()
        nodes = tuple(Node(r.name, r.size, r.address, r.role, r.joined, r.state) for r in rows)
        return PoolRecord(row.vip, row.counter, nodes) if row else PoolRecord(nodes=nodes)

    def save_pool(self, region: str, record: PoolRecord, wish: tuple[int, str] | None = None) -> None:
        """Record a region's pool in place of what was recorded; with it ``wish``, as ``save_pool_wish`` has it."""
        with self._engine.begin() as connection:
            _forget_pool(connection, region)
            connection.execute(insert(tables.regions).values(name=region, vip=record.vip, counter=record.counter))
            for n in record.nodes:
                connection.execute(insert(tables.nodes).values(region=region, **asdict(n)))
            if wish:
                _wish(connection, region, *wish)

    def pool_wish(self, region: str) -> Scaled | None:
        """What the last scale of a region asked for, None when nobody scaled it; see pool.wish for whether it holds."""
        t = tables.pool_wishes
        with self._engine.connect() as connection:
            row = connection.execute(select(t).where(t.c.region == region)).first()
        return Scaled(row.nodes, row.mark, row.actor, row.time) if row else None

    def save_pool_wish(self, region: str, nodes: int, mark: str) -> None:
        """Note that we ask for ``nodes`` from now on, as long as fleet.yaml's pool has this ``mark``."""
        with self._engine.begin() as connection:
            _wish(connection, region, nodes, mark)

    def forget_pool_wish(self, region: str) -> None:
        """Drop what the last scale of a region asked for."""
        with self._engine.begin() as connection:
            connection.execute(delete(tables.pool_wishes).where(tables.pool_wishes.c.region == region))

    def regions(self) -> list[str]:
        """The regions that have a pool recorded."""
        with self._engine.connect() as connection:
            return list(connection.scalars(select(tables.regions.c.name)))

    def forget(self, region: str) -> None:
        """Drop everything recorded of a region."""
        with self._engine.begin() as connection:
            _forget_pool(connection, region)
            connection.execute(delete(tables.pool_wishes).where(tables.pool_wishes.c.region == region))
            connection.execute(delete(tables.releases).where(tables.releases.c.region == region))
            connection.execute(delete(tables.events).where(tables.events.c.region == region))
            rollouts.forget(connection, region)
            leases.forget(connection, region)
            healings.forget(connection, region)
            autoscaling.forget(connection, region)
            rounds.forget(connection, region)
            clusters.forget(connection, region)
            told.forget(connection, region)

    def record_release(self, region: str, release: dict[str, Any]) -> None:
        """Keep a release for ever; the same one twice is kept once.

        ``release`` is an entry of a node's wanted services: name, release, tag, digest and settings.
        """
        t = tables.releases
        key = {"id": release["release"], "region": region, "service": release["name"]}
        with self._engine.begin() as connection:
            if connection.execute(select(t.c.id).filter_by(**key)).first():
                return
            settings = json.dumps(release, sort_keys=True)
            row = {
                "tag": release["tag"],
                "digest": release["digest"],
                "settings": settings,
                "created": time.time(),
            }
            connection.execute(insert(t).values(**key, **row))

    def releases(self, region: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Every release kept for a region, by service and id, the oldest first."""
        t = tables.releases
        query = select(t.c.service, t.c.id, t.c.settings).where(t.c.region == region).order_by(t.c.created)
        with self._engine.connect() as connection:
            return {(row.service, row.id): json.loads(row.settings) for row in connection.execute(query)}

    def event(self, region: str, kind: str, text: str) -> None:
        """Write down that something happened, when, and by whom."""
        row = {"time": time.time(), "region": region, "actor": actor(), "kind": kind, "text": text}
        with self._engine.begin() as connection:
            connection.execute(insert(tables.events).values(row))

    def last_order(self, region: str, node: str) -> str:
        """The kind of the last event that was about this node alone ("leave", "remove", "drain" …); "" for none."""
        t = tables.events
        query = select(t.c.kind).where(t.c.region == region, t.c.text == node).order_by(t.c.id.desc()).limit(1)
        with self._engine.connect() as connection:
            return str(connection.scalar(query) or "")


def actor() -> str:
    """Who we are, as history tells it: user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _make_tables(engine: Engine) -> None:
    """Make the tables and columns that are missing; another process may be making the same ones."""
    for left in reversed(range(len(tables.metadata.tables))):
        try:
            tables.metadata.create_all(engine)
        except OperationalError as error:
            if "already exists" not in str(error.orig) or not left:
                raise
        else:
            break
    add_missing_columns(engine, tables.metadata)


def _wish(connection: Connection, region: str, nodes: int, mark: str) -> None:
    t = tables.pool_wishes
    connection.execute(delete(t).where(t.c.region == region))
    row = {"region": region, "nodes": nodes, "mark": mark, "actor": actor(), "time": time.time()}
    connection.execute(insert(t).values(row))


def _forget_pool(connection: Connection, region: str) -> None:
    connection.execute(delete(tables.regions).where(tables.regions.c.name == region))
    connection.execute(delete(tables.nodes).where(tables.nodes.c.region == region))
