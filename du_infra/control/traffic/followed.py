"""The entrance as fleet.yaml has it now, for who works on it for hours: a freeze, a TTL, an address holds at once."""

from __future__ import annotations

from du_infra.control.traffic.entrance import Entrance
from du_infra.errors import DuError, SpecError
from du_infra.progress import Event, Reporter
from du_infra.spec import load_spec
from du_infra.spec.source import stamp


class Followed:
    """``now`` reads the file again when it was touched. A mistake in it is told, and what it said before holds."""

    def __init__(self, entrance: Entrance, report: Reporter, stage: str) -> None:
        self._entrance, self._report, self._stage = entrance, report, stage
        self._stamp: object = None
        self._mistake = ""

    def now(self) -> Entrance:
        """The same one as long as the file says the same: it has the store open."""
        now = stamp(self._entrance.folder / self._entrance.file)
        if now != self._stamp:
            self._stamp = now
            try:
                self._read()
                self._mistake = ""
            except DuError as error:
                self._tell(str(error))
        return self._entrance

    def _tell(self, mistake: str) -> None:
        if mistake != self._mistake:
            self._mistake = mistake
            self._report(Event("warning", self._stage, f"{mistake}; what the file said before holds"))

    def _read(self) -> None:
        before = self._entrance
        found = Entrance(load_spec(before.folder / before.file), before.folder, before.file)
        if (found.fleet.state, found.name) != (before.fleet.state, before.name):
            raise SpecError("the name and the store do not change on the way", where=before.file)
        self._entrance = before if found == before else found
