"""DNS as a pass sees it: read now and then, and always before something is changed; its servers are asked meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from du_infra.errors import DuError
from du_infra.progress import Event, Reporter
from du_infra.traffic import ask
from du_infra.traffic.aim import SETTLE_SECONDS
from du_infra.traffic.driver import Backend
from du_infra.traffic.gdnsd import local
from du_infra.traffic.gdnsd.setup import Server
from du_infra.traffic.state import Record
from du_infra.traffic.verdict import Verdict

STAGE = "traffic"
READ_SECONDS = 15.0
"""How old what was read may be where nothing is to be changed: somebody else's change is seen by then."""
ALERT_SECONDS = 2.0
"""The same while a region may be about to fall: a server of DNS that hangs as well is known of before it matters."""
CHECK_SECONDS = 30.0
DEAD_SECONDS = 5.0
"""The same while a region is dead: a server that has forgotten it, by a file that was lost say, gives it out again."""

Ask = Callable[[Record, Sequence[str], Backend], list[Verdict]]


@dataclass(frozen=True)
class Checked:
    """What every server answered, compared with ``record``, from ``at`` on."""

    record: Record
    at: float
    verdicts: tuple[Verdict, ...]


class Dns:
    """One name's backend. ``servers`` are those of gdnsd on this machine and elsewhere: ours are started."""

    def __init__(self, backend: Backend, zone: str, servers: Sequence[Server], report: Reporter) -> None:
        self.backend = backend
        self._zone, self._servers, self._report = zone, servers, report
        self._record: Record | None = None
        self._read = float("-inf")
        self._written = time.monotonic()  # or by whoever was here before
        self._checked: Checked | None = None
        self._asking: threading.Thread | None = None

    def record(self, *, fresh: bool = False, alert: bool = False) -> Record | None:
        """What DNS has been told; ``alert``: a region may be about to fall. Raises what the backend does."""
        now = time.monotonic()
        if fresh or now - self._read > (ALERT_SECONDS if alert else READ_SECONDS):
            self._record = self.backend.read()
            self._read = now
        return self._record

    def write(self, wanted: Record, was: Record | None) -> None:
        """Change it, and have gdnsd run where it is to run on this machine. Raises what the backend does."""
        self._read = float("-inf")  # whatever comes of it
        self.backend.write(wanted, was)
        for server in self._servers:
            if server.target is None and local.start(server):
                self._report(Event("step", STAGE, f"gdnsd is started at {server.ask}"))
        if self._checked is None or self._checked.record != wanted:  # the same once more: what is wrong stays wrong
            self._written = time.monotonic()

    def check(self, record: Record) -> Checked | None:
        """What servers answered last, None before; has them asked anew, at no cost of time, when it is due."""
        now = time.monotonic()
        last = self._checked
        settled = last is not None and last.at - self._written >= SETTLE_SECONDS  # what it was asked before is old news
        good = last is not None and last.record == record and all(one.ok for one in last.verdicts)
        if last is None or last.record != record or now - last.at > (_period(record) if good else 1.0):
            self._ask(record)
        return last if last is not None and last.record == record and (settled or good) else None

    def ask(self, record: Record, times: int = ask.TIMES) -> list[Verdict]:
        """Ask every server now."""
        return ask.verify(record, self.backend.servers(), self.backend.capabilities(), zone=self._zone, times=times)

    def _ask(self, record: Record) -> None:
        if self._asking and self._asking.is_alive():
            return
        self._asking = threading.Thread(target=self._note, args=(record,), daemon=True, name="traffic check")
        self._asking.start()

    def _note(self, record: Record) -> None:
        began = time.monotonic()
        try:
            verdicts = tuple(self.ask(record))
        except DuError as error:
            verdicts = (Verdict("servers", False, (str(error),)),)
        self._checked = Checked(record, began, verdicts)


def _period(record: Record) -> float:
    dead = any(one.weight and not one.up for one in record.endpoints.values())
    return DEAD_SECONDS if dead else CHECK_SECONDS
