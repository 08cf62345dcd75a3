"""One pass over the entrance: look, judge, plan; where something is to be done, look again under the lease and do it.

It can be killed between any two steps. What was decided is written down first, then it is done; the next pass, by
whomever, finds DNS other than decided, and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from du_infra.control.traffic.counting import Counting
from du_infra.control.traffic.dns import Checked, Dns
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.look import Judge, Seen, View, look
from du_infra.control.traffic.sightings import Board
from du_infra.control.traffic.tell import order_of
from du_infra.control.traffic.watcher import WORKERS, Target, Watcher
from du_infra.control.traffic.wish import course_of, keep
from du_infra.errors import Busy
from du_infra.health.observers import watched_by
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Reporter
from du_infra.store.database import actor
from du_infra.store.gate import fenced
from du_infra.store.leases import Lease
from du_infra.traffic.course import Course
from du_infra.traffic.memory import Memory

_RECORDS_SECONDS = 5.0
_DEMAND_SECONDS = 60.0
_ONCE_SECONDS = 5.0
"""How long a single pass looks around at most: nodes that watch nobody yet begin within two seconds."""
_ONCE_INTERVAL = 1.0
_WAIT = 0.75
"""For how much of an interval nodes wait for news: what they told before must not get too old to count meanwhile."""


class Desk:
    """Where the entrance is worked on, pass by pass: what must not be read or built anew each time."""

    def __init__(self, entrance: Entrance, watcher: Watcher, report: Reporter, *, dry_run: bool = False) -> None:
        self.entrance = entrance
        self._watcher, self._report, self._dry_run = watcher, report, dry_run
        self._records, self._records_read = entrance.records(), time.monotonic()
        self._servers = entrance.servers(self._records)
        self.dns = self._connected()
        self._judge, self._counting = Judge(entrance), Counting()
        self._aimed: dict[str, PoolRecord] | None = None
        self._demand_kept = float("-inf")
        self._alert = False

    def aim(self, interval: float = 0.0) -> None:
        """Have the watcher look at what is there now; ``interval``: of who looks once, in place of fleet.yaml's."""
        records = self.records()
        if records is self._aimed:
            return
        self._aimed = records
        addresses, every = self.entrance.addresses(records), self.entrance.spec.interval.seconds
        watched = watched_by(self.entrance.observers)
        wait = _WAIT * every if not interval and len(records) <= WORKERS else 0.0
        order = {} if self._dry_run else {name: order_of(watched[name], addresses, every, wait) for name in records}
        contexts = self.entrance.regions
        targets = {
            name: Target(contexts[name], record, addresses[name], order.get(name, ""))
            for name, record in records.items()
        }
        self._watcher.aim(targets, interval or every)

    def records(self) -> dict[str, PoolRecord]:
        """Every region's nodes, as of a few seconds ago at most."""
        now = time.monotonic()
        if now - self._records_read > _RECORDS_SECONDS:
            self._records, self._records_read = self.entrance.records(), now
            self._follow()
        return self._records

    def _follow(self) -> None:
        """A region that runs gdnsd has other nodes now, perhaps."""
        if (servers := self.entrance.servers(self._records)) != self._servers:
            self._servers = servers
            self.dns = self._connected()

    def _connected(self) -> Dns:
        backend = self.entrance.backend(self._servers, self._report)
        return Dns(backend, self.entrance.spec.zone, self._servers, self._report)

    def look(self, board: Board, *, fresh: bool = False, course: Course | None = None) -> View:
        """What is so and what is to be done; ``fresh``: DNS is read now. ``course``: as if just that were wanted.

        Raises what the backend does.
        """
        record = self.dns.record(fresh=fresh, alert=self._alert)
        seen = Seen(board, self.records(), record, self.dns.backend.capabilities())
        wanted = course or course_of(self.entrance)
        view = look(self.entrance, seen, wanted, self._judge, self._counting)
        self._alert = any(one.up and one.leaning is not None for one in view.standings.values())
        return view

    def turn(self, board: Board) -> View:
        """One pass. ``view.plan`` says what was done and what waits.

        Raises Busy while another controller is at it, and what backends raise.
        """
        view = self.look(board)
        if self._dry_run or not self._owes(view):
            self._judge.keep(view.standings, dry_run=self._dry_run)
            return view
        with self._lease() as lease:
            view = self.look(board, fresh=True)
            self._keep_standings(view)  # before DNS: who takes over must not find a region up that has just left
            self._carry_out(view, lease)
        return view

    def _keep_standings(self, view: View) -> None:
        """Raises Busy where another controller saw a region fall or rise meanwhile: DNS is not to say otherwise."""
        if late := self._judge.keep(view.standings):
            what = f"another controller saw {', '.join(sorted(late))} otherwise in the same moment"
            raise Busy(what, where=self.entrance.name, todo="the next pass goes by that")

    def check(self, view: View) -> Checked | None:
        """What the servers answer, compared with what was decided; None while that is not known."""
        return self.dns.check(view.plan.memory.record) if view.plan.memory.record.endpoints else None

    def mend(self, checked: Checked) -> None:
        """Write what DNS should have once more: it brings servers along that missed it, and starts ours."""
        with self._lease() as lease:
            was = self.dns.record(fresh=True)
            lease.check()
            if was == checked.record:
                self.dns.write(checked.record, was)

    @contextmanager
    def _lease(self) -> Iterator[Lease]:
        try:
            leases = self.entrance.store.leases
            with leases.held(self.entrance.lease, "changes what DNS answers") as lease, fenced(lease.fence):
                yield lease
        except Busy as error:
            if error.where == self.entrance.lease:
                error.todo = "wait for its end; `du-infra traffic status` shows what DNS answers"
            raise

    def _owes(self, view: View) -> bool:
        """Whether there is anything to write, be it to DNS or to the store."""
        plan = view.plan
        if plan.record is not None or _is_new(view):
            return bool(plan.record is not None or plan.memory.base)
        if view.memory is None or _lasting(plan.memory) != _lasting(view.memory):
            return bool(plan.memory.base)
        return plan.memory.demand != view.memory.demand and time.monotonic() > self._demand_kept

    def _carry_out(self, view: View, lease: Lease) -> None:
        store, name, plan = self.entrance.store.traffic, self.entrance.name, view.plan
        if _is_new(view):
            keep(self.entrance, view.course)
        if plan.actions:
            store.decided(name, actor(), plan.actions, plan.notes, view.record, plan.record)
        store.remember(name, plan.memory, view.progress)
        self._demand_kept = time.monotonic() + _DEMAND_SECONDS
        if plan.record is not None:
            lease.check()
            self.dns.write(plan.record, view.record)


def look_around(entrance: Entrance, report: Reporter, watcher: Watcher, *, dry_run: bool = False) -> tuple[Desk, Board]:
    """For who looks only now and then: a desk, and what is seen when every region and its nodes were asked."""
    desk = Desk(entrance, watcher, report, dry_run=dry_run)
    desk.aim(_ONCE_INTERVAL)
    return desk, watcher.once(_ONCE_SECONDS)


def _is_new(view: View) -> bool:
    """Whether fleet.yaml says something new, and may."""
    return not view.course.number and not view.settings.freeze


def _lasting(memory: Memory) -> Memory:
    """Without what changes from moment to moment."""
    return replace(memory, demand=None, changes=())
