"""One at a time, whoever shares the store: a lease with an owner and a heartbeat, which a crash frees."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from du_infra.errors import Busy, DuError
from du_infra.release.state import Holder
from du_infra.store.gate import Fence, Gate
from du_infra.store.owner import Owner, parse, this_process
from du_infra.store.sql import now
from du_infra.store.tables import leases as t

BEAT_SECONDS = 5.0
DEAD_SECONDS = 30.0


class Lease:
    """One that we hold, kept alive by a thread; ``check`` says whether it is still ours.

    Its ``token`` is made up when it is taken, so that nobody is taken for its holder who held it once.
    """

    def __init__(self, gate: Gate, name: str, token: str, beat: float) -> None:
        self._gate = gate
        self._name = name
        self._mine = (t.c.name == name, t.c.token == token)
        self._period = beat
        self._over = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"lease {name}")
        self._thread.start()

    @property
    def fence(self) -> Fence:
        """For writes that count only while the lease is ours."""
        words = "another du-infra took over, because this one did not move for long"
        return Fence(select(t.c.token).where(*self._mine), words, self._name)

    def check(self) -> None:
        """Raises Busy when somebody else took the lease over, because we did not move for long."""
        if self._lost.is_set():
            what = "this process stood still for so long that another one took over"
            raise Busy(what, where=self._name, todo="see `du-infra release status`")

    def give_back(self) -> None:
        """Free it for others. Where the store does not do that they wait until it is old; how the work went counts."""
        self._over.set()
        self._thread.join()
        with suppress(DBAPIError, DuError), self._gate.begin(fenced=False) as connection:
            connection.execute(delete(t).where(*self._mine))

    def _keep(self) -> None:
        last = time.monotonic()
        while not self._over.wait(self._period):
            began = time.monotonic()
            try:
                ours = self._beat()
            except (DBAPIError, DuError):  # a full disk, a database that is locked or away: we may still be the owner
                ours = time.monotonic() - last < DEAD_SECONDS
            else:
                last = began
            if not ours:
                self._lost.set()
                return

    def _beat(self) -> bool:
        with self._gate.begin(fenced=False) as connection:
            return connection.execute(update(t).where(*self._mine).values(beat=now(connection))).rowcount == 1


class Leases:
    """The table of leases. ``beat`` and ``dead`` in seconds: how often a holder signs, and when it counts as gone.

    ``shared``: holders may be on other machines, which may have our name, too.
    """

    def __init__(
        self, gate: Gate, *, shared: bool = False, beat: float = BEAT_SECONDS, dead: float = DEAD_SECONDS
    ) -> None:
        self._gate = gate
        self._shared = shared
        self._beat = beat
        self._dead = dead

    @contextmanager
    def held(self, name: str, what: str) -> Iterator[Lease]:
        """Hold ``name`` for doing ``what``. Raises Busy, which says who holds it, since when, and for what."""
        lease = Lease(self._gate, name, self._take(name, what, this_process()), self._beat)
        try:
            yield lease
        finally:
            lease.give_back()

    def holder(self, name: str) -> Holder | None:
        """Who is at work under ``name``; None when nobody is, or the one who was has died."""
        row, wall = self._row(name)
        return _holder(row) if row and not self._free(row, wall) else None

    def _take(self, name: str, what: str, owner: Owner) -> str:
        """The token."""
        token = secrets.token_hex(8)
        fields = {"owner": str(owner), "what": what, "token": token}
        while True:
            row, wall = self._row(name)
            if row is None:
                if self._insert({"name": name, **fields}):
                    return token
            elif not self._free(row, wall):
                raise busy(name, _holder(row))
            elif self._replace(row, fields):
                return token

    def _free(self, row: Row[Any], wall: float) -> bool:
        """Whether the holder is gone: seen so on this host, else when it has not signed for long.

        Clocks may jump, so what looks old is watched for another beat before it counts as dead.
        """
        if ended(row, shared=self._shared):
            return True
        if abs(wall - row.beat) < self._dead:
            return False
        deadline = time.monotonic() + self._beat * 1.2
        while time.monotonic() < deadline:
            time.sleep(self._beat / 20)
            again, _ = self._row(row.name)
            if again is None or (again.owner, again.token, again.beat) != (row.owner, row.token, row.beat):
                return False
        return True

    def _row(self, name: str) -> tuple[Row[Any] | None, float]:
        """The lease, and the time by which it is to be judged."""
        with self._gate.connect() as connection:
            return connection.execute(select(t).where(t.c.name == name)).first(), now(connection)

    def _insert(self, fields: dict[str, str]) -> bool:
        try:
            with self._gate.begin() as connection:
                wall = now(connection)
                connection.execute(insert(t).values(**fields, taken=wall, beat=wall))
        except IntegrityError:
            return False  # another was quicker
        return True

    def _replace(self, row: Row[Any], fields: dict[str, str]) -> bool:
        """Take over from a dead holder; of several who try, one wins."""
        seen = (t.c.name == row.name, t.c.owner == row.owner, t.c.beat == row.beat, t.c.taken == row.taken)
        with self._gate.begin() as connection:
            wall = now(connection)
            return connection.execute(update(t).where(*seen).values(**fields, taken=wall, beat=wall)).rowcount == 1


def busy(name: str, holder: Holder) -> Busy:
    """The error for somebody who comes second."""
    since = time.strftime("%H:%M:%S", time.localtime(holder.since))
    ago = max(0, time.time() - holder.since)
    return Busy(
        f"{holder.who} is at work since {since} ({ago:.0f} s): {holder.what}",
        where=name,
        todo="`du-infra release status` shows how far it is; `du-infra release abort` ends it",
    )


def ended(row: Row[Any], *, shared: bool) -> bool:
    """Whether a lease's holder was a process of this machine, and has ended. ``shared``: others may have our name."""
    owner = parse(row.owner)
    return owner.vanished if shared else owner.gone


def forget(connection: Connection, region: str) -> None:
    """Drop a region's leases; their names begin with the region's."""
    connection.execute(delete(t).where(t.c.name.startswith(f"{region}/", autoescape=True)))


def _holder(row: Row[Any]) -> Holder:
    return Holder(parse(row.owner).who, row.what, row.taken)
