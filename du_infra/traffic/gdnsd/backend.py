"""gdnsd on one server or several: the adapter between records and what the servers have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from du_infra.errors import DuError, Unreachable
from du_infra.parallel import each
from du_infra.progress import Event, Reporter
from du_infra.traffic import ask
from du_infra.traffic.check import fits, unchanged
from du_infra.traffic.gdnsd import reach
from du_infra.traffic.gdnsd.plan import Standing, Step, steps, told
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.state import Capabilities, Record

STAGE = "traffic"

_MOST = 64
_SERIAL_SECONDS = 1.0

T = TypeVar("T")
R = TypeVar("R")


class Gdnsd:
    """A zone of our own on gdnsd. ``nodes`` are brought to the same record; one that does not answer is reported as a
    warning and holds up nobody. It is brought along by the next ``write``, also one that changes nothing.
    """

    def __init__(
        self, zone: Zone, nodes: Sequence[Server], report: Reporter, *, now: Callable[[], float] = time.time
    ) -> None:
        self._zone, self._nodes, self._report, self._now = zone, tuple(nodes), report, now

    def capabilities(self) -> Capabilities:
        """Health is what we tell it; it looks at nobody by itself."""
        return Capabilities(weights=True, health=False, atomic=True, min_ttl=1)

    def servers(self) -> Sequence[str]:
        """Where each one answers."""
        return [server.ask for server in self._nodes]

    def read(self) -> Record | None:
        """What was told last, of what the servers serve. Raises Unreachable when none answers."""
        return told(self._zone, self._standings())

    def write(self, wanted: Record, was: Record | None) -> None:
        """See ``driver.Backend``. The first server that answers is changed first: of two writers only one gets past it.

        Raises EngineFailed with gdnsd's words when it does not take the change; then the others were not asked, or
        have it.
        """
        fits(wanted, self.capabilities(), name=self._zone.name, backend="gdnsd", most=_MOST)
        standings = self._standings()
        unchanged(told(self._zone, standings), was, wanted.name)
        todo = steps(self._zone, standings, wanted, int(self._now()))
        if todo:
            self._carry_out(todo[0])
            self._carry_along(todo[1:])

    def _standings(self) -> list[Standing]:
        """Of each server that answers. Raises the first error when none does."""
        found = _all(self._standing, self._nodes)
        standing = [one for one in found if isinstance(one, Standing)]
        errors = [one for one in found if isinstance(one, DuError)]
        for error in errors if standing else ():
            self._warn(error)
        if not standing:
            raise errors[0]
        return standing

    def _standing(self, server: Server) -> Standing:
        return Standing(server, reach.read(server), ask.serial(server.ask, self._zone.zone, _SERIAL_SECONDS))

    def _carry_along(self, todo: Sequence[Step]) -> None:
        """Raises the first error that is more than a server out of reach, after every server had its turn."""
        errors = [error for error in _all(self._carry_out, todo) if isinstance(error, DuError)]
        for error in errors:
            if not isinstance(error, Unreachable):
                raise error
            self._warn(error)

    def _carry_out(self, step: Step) -> None:
        one = step.standing
        running = reach.change(one.server, step.serial, step.files, one.found.token, replace=step.replace)
        if not running:
            self._report(Event("warning", STAGE, "gdnsd does not run there; its files are ready", one.server.name))

    def _warn(self, error: DuError) -> None:
        self._report(Event("warning", STAGE, str(error)))


def _all(work: Callable[[T], R], items: Sequence[T]) -> list[R | DuError]:
    """``work`` on each item, at once; an error stands where its result would."""

    def one(item: T) -> R | DuError:
        try:
            return work(item)
        except DuError as error:
            return error

    return each(one, items)
