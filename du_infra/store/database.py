"""What must outlive a command: who owns the machines, which names were given out, what was released."""

from __future__ import annotations

import getpass
import json
import secrets
import socket
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select
from sqlalchemy.exc import DatabaseError

from du_infra.errors import Refused, SpecError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.pool.wish import Scaled
from du_infra.spec.container import SecretSource
from du_infra.store import (
    autoscaling,
    clusters,
    controllers,
    healings,
    leases,
    rollouts,
    rounds,
    seeing,
    sqlite,
    tables,
    told,
    traffic,
)
from du_infra.store.gate import Gate
from du_infra.store.migrate import prepare
from du_infra.store.sql import alone, put_once

SHARED = "postgresql"
"""How the URL of a store begins that several machines share."""
_prepared: set[Engine] = set()


class Store:
    """The state of one fleet. Every method is one transaction; a kill leaves the last one whole."""

    def __init__(self, url: str, folder: Path, password: SecretSource | None = None) -> None:
        """Open (and make) the store at ``url``; a relative SQLite path and a password's file count from ``folder``.

        Raises SpecError for a URL of neither kind, DuError when a file is no database of ours, ToolMissing and
        Unreachable where a PostgreSQL does not let us in.
        """
        self.shared = url.startswith(SHARED)
        if self.shared:
            self.where, gate, beats = _shared(url, password, folder)
        elif url.startswith(sqlite.PREFIX):
            self.where, gate = _of_file(folder / url.removeprefix(sqlite.PREFIX))
            beats = gate
        else:
            todo = "write sqlite:///.du/state.db or postgresql://USER@HOST/DATABASE"
            raise SpecError("must be a SQLite or a PostgreSQL store", where="state", todo=todo)
        self._gate = gate
        self.rollouts = rollouts.Rollouts(gate)
        self.leases = leases.Leases(gate, shared=self.shared)
        self.healings = healings.Healings(gate)
        self.autoscaling = autoscaling.Autoscaling(gate)
        self.rounds = rounds.Rounds(gate)
        self.clusters = clusters.Clusters(gate)
        self.traffic = traffic.Traffic(gate)
        self.controllers = controllers.Controllers(beats)
        self.seeing = seeing.Seeing(gate)
        self.told = told.Told(gate)

    def claim(self, fleet: str) -> None:
        """Note whose store this is, the first time. Raises Refused when it is another fleet's."""
        t = tables.meta
        with self._gate.begin() as connection:
            known = connection.scalar(select(t.c.value).where(t.c.key == "fleet"))
            if known is None:
                put_once(connection, t, key="fleet", value=fleet)
                known = connection.scalar(select(t.c.value).where(t.c.key == "fleet"))
        if known != fleet:
            place = "a database" if self.shared else "a folder"
            raise Refused(
                f"this {place[2:]} holds the state of the fleet {known}, not of {fleet}",
                where=self.where,
                todo=f"give each fleet {place} of its own"
                if self.shared
                else f"put each fleet's file into {place} of its own",
            )

    def claim_key(self, mark: str) -> None:
        """Note which SSH key the nodes know, "" for none here. Raises Refused when they know another than we have.

        Where no region is up any key will do.
        """
        t = tables.meta
        with self._gate.begin() as connection:
            known = connection.scalar(select(t.c.value).where(t.c.key == "ssh_key"))
            up = connection.scalar(select(tables.regions.c.name).limit(1))
            if mark != known and known and up:
                raise Refused(
                    f"the fleet's nodes know {'another SSH key than ours' if mark else 'an SSH key that is not here'}",
                    where=self.where,
                    todo="copy the folder .du/keys from the machine that brought the fleet up",
                )
            if mark and mark != known:
                connection.execute(delete(t).where(t.c.key == "ssh_key"))
                put_once(connection, t, key="ssh_key", value=mark)

    def owner(self) -> str:
        """The mark that this store's machines carry; made up once."""
        with self._gate.begin() as connection:
            known = connection.scalar(select(tables.meta.c.value).where(tables.meta.c.key == "owner"))
            if known:
                return str(known)
            put_once(connection, tables.meta, key="owner", value=secrets.token_hex(8))
            return str(connection.scalar(select(tables.meta.c.value).where(tables.meta.c.key == "owner")))

    def pool(self, region: str) -> PoolRecord:
        """What is recorded of a region's pool; an empty record when nothing is."""
        t = tables.nodes
        with self._gate.connect() as connection:
            row = connection.execute(select(tables.regions).where(tables.regions.c.name == region)).first()
            rows = connection.execute(select(t).where(t.c.region == region)).all()
        return _pool(row, rows)

    def pools(self) -> dict[str, PoolRecord]:
        """The same of every region of which anything is recorded, all at once: a fleet has a thousand."""
        of_region: dict[str, list[Row[Any]]] = {}
        with self._gate.connect() as connection:
            heads = {row.name: row for row in connection.execute(select(tables.regions))}
            for row in connection.execute(select(tables.nodes)):
                of_region.setdefault(row.region, []).append(row)
        return {name: _pool(heads.get(name), of_region.get(name, ())) for name in heads.keys() | of_region.keys()}

    def save_pool(self, region: str, record: PoolRecord, wish: tuple[int, str] | None = None) -> None:
        """Record a region's pool in place of what was recorded; with it ``wish``, as ``save_pool_wish`` has it."""
        with self._gate.begin() as connection:
            alone(connection, region)
            _forget_pool(connection, region)
            connection.execute(insert(tables.regions).values(name=region, vip=record.vip, counter=record.counter))
            for n in record.nodes:
                connection.execute(insert(tables.nodes).values(region=region, **asdict(n)))
            if wish:
                _wish(connection, region, *wish)

    def pool_wish(self, region: str) -> Scaled | None:
        """What the last scale of a region asked for, None when nobody scaled it; see pool.wish for whether it holds."""
        t = tables.pool_wishes
        with self._gate.connect() as connection:
            row = connection.execute(select(t).where(t.c.region == region)).first()
        return Scaled(row.nodes, row.mark, row.actor, row.time) if row else None

    def save_pool_wish(self, region: str, nodes: int, mark: str) -> None:
        """Note that we ask for ``nodes`` from now on, as long as fleet.yaml's pool has this ``mark``."""
        with self._gate.begin() as connection:
            _wish(connection, region, nodes, mark)

    def forget_pool_wish(self, region: str) -> None:
        """Drop what the last scale of a region asked for."""
        with self._gate.begin() as connection:
            connection.execute(delete(tables.pool_wishes).where(tables.pool_wishes.c.region == region))

    def regions(self) -> list[str]:
        """The regions that have a pool recorded."""
        with self._gate.connect() as connection:
            return list(connection.scalars(select(tables.regions.c.name)))

    def forget(self, region: str) -> None:
        """Drop everything recorded of a region."""
        with self._gate.begin() as connection:
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
            traffic.forget(connection, region)

    def record_release(self, region: str, release: dict[str, Any]) -> None:
        """Keep a release for ever; the same one twice is kept once.

        ``release`` is an entry of a node's wanted services: name, release, tag, digest and settings.
        """
        t = tables.releases
        key = {"id": release["release"], "region": region, "service": release["name"]}
        with self._gate.begin() as connection:
            settings = json.dumps(release, sort_keys=True)
            row = {
                "tag": release["tag"],
                "digest": release["digest"],
                "settings": settings,
                "created": time.time(),
            }
            put_once(connection, t, **key, **row)

    def releases(self, region: str) -> dict[tuple[str, str], dict[str, Any]]:
        """Every release kept for a region, by service and id, the oldest first."""
        t = tables.releases
        query = select(t.c.service, t.c.id, t.c.settings).where(t.c.region == region).order_by(t.c.created)
        with self._gate.connect() as connection:
            return {(row.service, row.id): json.loads(row.settings) for row in connection.execute(query)}

    def event(self, region: str, kind: str, text: str) -> None:
        """Write down that something happened, when, and by whom."""
        row = {"time": time.time(), "region": region, "actor": actor(), "kind": kind, "text": text}
        with self._gate.begin() as connection:
            connection.execute(insert(tables.events).values(row))

    def last_order(self, region: str, node: str) -> str:
        """The kind of the last event that was about this node alone ("leave", "remove", "drain" …); "" for none."""
        t = tables.events
        query = select(t.c.kind).where(t.c.region == region, t.c.text == node).order_by(t.c.id.desc()).limit(1)
        with self._gate.connect() as connection:
            return str(connection.scalar(query) or "")


def actor() -> str:
    """Who we are, as history tells it: user@host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _of_file(path: Path) -> tuple[str, Gate]:
    engine = sqlite.engine_of(path)
    try:
        prepare(engine, str(path))
    except DatabaseError as error:
        raise sqlite.unusable(path, error) from error
    path.chmod(0o600)
    return str(path), Gate(engine)


def _shared(url: str, password: SecretSource | None, folder: Path) -> tuple[str, Gate, Gate]:
    """Where it is, the way in, and another one for heartbeats, which must not wait behind the work."""
    from du_infra.store import postgres

    where = postgres.shown(url)
    engine = postgres.engine_of(url, password, folder)
    if engine not in _prepared:
        prepare(engine, where)
        _prepared.add(engine)
    return where, Gate(engine), Gate(postgres.engine_of(url, password, folder, connections=1))


def _wish(connection: Connection, region: str, nodes: int, mark: str) -> None:
    t = tables.pool_wishes
    alone(connection, region)
    connection.execute(delete(t).where(t.c.region == region))
    row = {"region": region, "nodes": nodes, "mark": mark, "actor": actor(), "time": time.time()}
    connection.execute(insert(t).values(row))


def _pool(head: Row[Any] | None, rows: Sequence[Row[Any]]) -> PoolRecord:
    nodes = tuple(Node(r.name, r.size, r.address, r.role, r.joined, r.state) for r in rows)
    return PoolRecord(head.vip, head.counter, nodes) if head else PoolRecord(nodes=nodes)


def _forget_pool(connection: Connection, region: str) -> None:
    connection.execute(delete(tables.regions).where(tables.regions.c.name == region))
    connection.execute(delete(tables.nodes).where(tables.nodes.c.region == region))
