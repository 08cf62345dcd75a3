"""One at a time, whoever shares the store: a lease with an owner and a heartbeat, which a crash frees."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from du_infra.errors import Busy
from du_infra.release.state import Holder
from du_infra.store.owner import Owner, parse, this_process
from du_infra.store.tables import leases as t

BEAT_SECONDS = 5.0
DEAD_SECONDS = 30.0


class Lease:
    """One that we hold, kept alive by a thread; ``check`` says whether it is still ours."""

    def __init__(self, engine: Engine, name: str, owner: Owner, beat: float) -> None:
        self._engine = engine
        self._name = name
        self._owner = owner
        self._period = beat
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"lease {name}")
        self._thread.start()

    def check(self) -> None:
        """Raises Busy when somebody else took the lease over, because we did not move for long."""
        if self._lost.is_set():
            what = "this process stood still for so long that another one took over"
            raise Busy(what, where=self._name, todo="see `du-infra release status`")

    def give_back(self) -> None:
        """Free it for others."""
        self._over.set()
        self._thread.join()
        with self._engine.begin() as connection:
            connection.execute(delete(t).where(t.c.name == self._name, t.c.owner == str(self._owner)))

    def _keep(self) -> None:
        last = time.monotonic()
        while not self._over.wait(self._period):
            try:
                ours = self._beat()
            except DBAPIError:  # a full disk, or a database that is locked for long: we may still be the owner
                ours = time.monotonic() - last < DEAD_SECONDS
            else:
                last = time.monotonic()
            if not ours:
                self._lost.set()
                return

    def _beat(self) -> bool:
        mine = (t.c.name == self._name, t.c.owner == str(self._owner))
        with self._engine.begin() as connection:
            return connection.execute(update(t).where(*mine).values(beat=time.time())).rowcount == 1


class Leases:
    """The table of leases. ``beat`` and ``dead`` in seconds: how often a holder signs, and when it counts as gone."""

    def __init__(self, engine: Engine, *, beat: float = BEAT_SECONDS, dead: float = DEAD_SECONDS) -> None:
        self._engine = engine
        self._beat = beat
        self._dead = dead

    @contextmanager
    def held(self, name: str, what: str) -> Iterator[Lease]:
        """Hold ``name`` for doing ``what``. Raises Busy, which says who holds it, since when, and for what."""
        owner = this_process()
        self._take(name, what, owner)
        lease = Lease(self._engine, name, owner, self._beat)
        try:
            yield lease
        finally:
            lease.give_back()

    def holder(self, name: str) -> Holder | None:
        """Who is at work under ``name``; None when nobody is, or the one who was has died."""
        row = self._row(name)
        return _holder(row) if row and not self._free(row) else None

    def _take(self, name: str, what: str, owner: Owner) -> None:
        while True:
            row = self._row(name)
            if row is None:
                if self._insert(name, what, owner):
                    return
            elif not self._free(row):
                raise busy(name, _holder(row))
            elif self._replace(row, what, owner):
                return

    def _free(self, row: Row[Any]) -> bool:
        """Whether the holder is gone: seen so on this host, else when it has not signed for long.

        Clocks may jump or differ, so what looks old is watched for another beat before it counts as dead.
        """
        owner = parse(row.owner)
        if owner.gone:
            return True
        if abs(time.time() - row.beat) < self._dead:
            return False
        deadline = time.monotonic() + self._beat * 1.2
        while time.monotonic() < deadline:
            time.sleep(self._beat / 20)
            again = self._row(row.name)
            if again is None or (again.owner, again.beat) != (row.owner, row.beat):
                return False
        return True

    def _row(self, name: str) -> Row[Any] | None:
        with self._engine.connect() as connection:
            return connection.execute(select(t).where(t.c.name == name)).first()

    def _insert(self, name: str, what: str, owner: Owner) -> bool:
        now = time.time()
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(t).values(name=name, owner=str(owner), what=what, taken=now, beat=now))
        except IntegrityError:
            return False  # another was quicker
        return True

    def _replace(self, row: Row[Any], what: str, owner: Owner) -> bool:
        """Take over from a dead holder; of several who try, one wins."""
        now = time.time()
        seen = (t.c.name == row.name, t.c.owner == row.owner, t.c.beat == row.beat, t.c.taken == row.taken)
        fields = {"owner": str(owner), "what": what, "taken": now, "beat": now}
        with self._engine.begin() as connection:
            return connection.execute(update(t).where(*seen).values(**fields)).rowcount == 1


def busy(name: str, holder: Holder) -> Busy:
    """The error for somebody who comes second."""
    since = time.strftime("%H:%M:%S", time.localtime(holder.since))
    ago = max(0, time.time() - holder.since)
    return Busy(
        f"{holder.who} is at work since {since} ({ago:.0f} s): {holder.what}",
        where=name,
        todo="`du-infra release status` shows how far it is; `du-infra release abort` ends it",
    )


def forget(connection: Connection, region: str) -> None:
    """Drop a region's leases; their names begin with the region's."""
    connection.execute(delete(t).where(t.c.name.startswith(f"{region}/", autoescape=True)))


def _holder(row: Row[Any]) -> Holder:
    return Holder(parse(row.owner).who, row.what, row.taken)
