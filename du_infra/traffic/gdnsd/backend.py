"""gdnsd on one server or several: the adapter between records and what the servers have."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from du_infra.errors import Busy, DuError, Unreachable
from du_infra.parallel import early
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
_PATIENCE = 3.0
_PATIENCE_AGAIN = 0.2
_PATIENCE_CHANGE = 10.0
_FIRST_SECONDS = 20.0
"""For the first server, when there are others: a little more than gdnsd may take to take over from itself."""

T = TypeVar("T")
R = TypeVar("R")


class Gdnsd:
    """A zone of our own on gdnsd. ``nodes`` are brought to the same record.

    A server that does not answer is reported as a warning and holds up nobody: when another has answered it is waited
    for 3 s, and hardly at all when it was late the last time. The next ``write`` that reaches it brings it along, also
    one that changes nothing.
    """

    def __init__(
        self, zone: Zone, nodes: Sequence[Server], report: Reporter, *, now: Callable[[], float] = time.time
    ) -> None:
        self._zone, self._nodes, self._report, self._now = zone, tuple(nodes), report, now
        self._late: frozenset[str] = frozenset()

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
        """See ``driver.Backend``. One server is changed before the others: of two writers only one gets past it.

        Raises EngineFailed with gdnsd's words when a server does not take the change; the others have it then. Where
        the first is sick it is the next one: it is only Busy, another writer, that ends the change.
        """
        fits(wanted, self.capabilities(), name=self._zone.name, backend="gdnsd", most=_MOST)
        standings = self._standings()
        unchanged(told(self._zone, standings), was, wanted.name)
        lost, todo = self._begin(steps(self._zone, standings, wanted, int(self._now())))
        self._carry_along(lost, todo)

    def _standings(self) -> list[Standing]:
        """Of each server that answers in time. Raises the first error when none does."""
        found = _all(self._standing, self._nodes, self._patience)
        self._late = frozenset(server.name for server, one in zip(self._nodes, found, strict=True) if one is None)
        standing = [one for one in found if isinstance(one, Standing)]
        errors = [one for one in found if isinstance(one, DuError)]
        if not standing:
            raise errors[0]
        self._warn(errors, [*self._late])
        return standing

    def _standing(self, server: Server) -> Standing:
        return Standing(server, reach.read(server), ask.serial(server.ask, self._zone.zone, _SERIAL_SECONDS))

    def _patience(self, late: Sequence[Server]) -> float:
        return _PATIENCE_AGAIN if {server.name for server in late} <= self._late else _PATIENCE

    def _begin(self, todo: Sequence[Step]) -> tuple[list[DuError], Sequence[Step]]:
        """Change the first server that takes it; what was amiss with those before it, and the steps after it."""
        lost: list[DuError] = []
        for number, step in enumerate(todo, 1):
            try:
                self._carry_out(step, _FIRST_SECONDS if number < len(todo) else reach.CHANGE_SECONDS)
            except Busy:
                raise
            except DuError as error:
                lost.append(error)
            else:
                return lost, todo[number:]
        if lost:
            raise lost[0]
        return lost, ()

    def _carry_along(self, lost: Sequence[DuError], todo: Sequence[Step]) -> None:
        """Raises the first error that is more than a server out of reach, after every server had its turn."""
        found = _all(self._carry_out, todo, lambda late: _PATIENCE_CHANGE)
        late = [step.standing.server.name for step, one in zip(todo, found, strict=True) if one is None]
        errors = [*lost, *(one for one in found if isinstance(one, DuError))]
        self._warn([one for one in errors if isinstance(one, Unreachable)], late)
        for error in errors:
            if not isinstance(error, Unreachable):
                raise error

    def _carry_out(self, step: Step, seconds: float = reach.CHANGE_SECONDS) -> bool:
        one, files = step.standing, step.files
        running = reach.change(one.server, step.serial, files, one.found.token, replace=step.replace, seconds=seconds)
        if not running:
            self._report(Event("warning", STAGE, "gdnsd does not run there; its files are ready", one.server.name))
        return running

    def _warn(self, errors: Sequence[DuError], late: Sequence[str]) -> None:
        for error in errors:
            self._report(Event("warning", STAGE, str(error)))
        for name in sorted(late):
            self._report(Event("warning", STAGE, "does not answer in time, and is left behind", name))


def _all(
    work: Callable[[T], R], items: Sequence[T], patience: Callable[[Sequence[T]], float]
) -> list[R | DuError | None]:
    """``work`` on each item, at once; an error stands where its result would, and None for one that is late."""

    def one(item: T) -> R | DuError:
        try:
            return work(item)
        except DuError as error:
            return error

    return early(one, items, lambda result: not isinstance(result, DuError), patience)
