"""What each server is brought to. Pure.

Every configuration has a serial, which is also its zone's: the time it was made, or more. So of several servers the
newest says what was told last, and each shows to any resolver what it serves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from du_infra.traffic.gdnsd import render
from du_infra.traffic.gdnsd.reach import Found
from du_infra.traffic.gdnsd.read import record, revision
from du_infra.traffic.gdnsd.render import STATES
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.state import Record

_LAST_SERIAL = 2**32 - 1


@dataclass(frozen=True)
class Standing:
    """One server: what stands there, and which serial its gdnsd answers with (None: it does not answer)."""

    server: Server
    found: Found
    served: int | None

    @property
    def serial(self) -> int | None:
        """Of the configuration that is served; when nobody can say, of the one it would start with."""
        return self.served if self.served in self.found.records else self.found.current

    @property
    def files(self) -> Mapping[str, str]:
        return self.found.records.get(self.serial, {}) if self.serial is not None else {}

    @property
    def age(self) -> tuple[int, int]:
        """Larger is newer."""
        return (self.serial or 0, revision(self.files))


@dataclass(frozen=True)
class Step:
    """Files for one server. ``replace``: also where its files stand already, gdnsd does not serve them yet."""

    standing: Standing
    serial: int
    files: Mapping[str, str]
    replace: bool


def told(zone: Zone, standings: Sequence[Standing]) -> Record | None:
    """The record that was told last; None when no server has one. Raises Refused for files that are not ours."""
    known = [one for one in standings if one.files]
    if not known:
        return None
    newest = max(known, key=lambda one: one.age)
    return record(zone.name, newest.files, newest.server.name)


def steps(zone: Zone, standings: Sequence[Standing], wanted: Record, now: int) -> list[Step]:
    """What brings each server to ``wanted``; a server that is there already has no step.

    ``now`` in seconds since 1970. When only who is up changed, the serial stays and no gdnsd is replaced.
    """
    serial, count = max((one.age for one in standings), default=(0, 0))
    if _holds(zone, standings, wanted, serial):
        newest = next(one for one in standings if one.age == (serial, count))
        count += newest.files.get(STATES) != render.states(wanted, count)
    else:
        serial, count = _next(standings, now), 1
    return [step for one in standings if (step := _step(zone, one, wanted, serial, count))]


def _holds(zone: Zone, standings: Sequence[Standing], wanted: Record, serial: int) -> bool:
    """Whether ``serial`` is the last one anywhere, and who serves it needs no other configuration for ``wanted``."""
    return 0 < serial == _last(standings) and all(
        _fixed(one.files) == _fixed(render.files(zone, one.server, wanted, serial, 1))
        for one in standings
        if one.serial == serial
    )


def _fixed(files: Mapping[str, str]) -> dict[str, str]:
    """The files that gdnsd reads only when it starts."""
    return {name: text for name, text in files.items() if name != STATES}


def _step(zone: Zone, one: Standing, wanted: Record, serial: int, count: int) -> Step | None:
    files = render.files(zone, one.server, wanted, serial, count)
    replace = one.served not in (None, serial)
    if one.found.current == serial and one.found.records[serial] == files and not replace:
        return None
    return Step(one, serial, files, replace)


def _next(standings: Sequence[Standing], now: int) -> int:
    return min(max(now, _last(standings) + 1), _LAST_SERIAL)


def _last(standings: Sequence[Standing]) -> int:
    """The greatest serial that was ever begun, on any server."""
    return max((serial for one in standings for serial in (*one.found.records, one.served or 0)), default=0)
