"""The loop's part: pass after pass over the entrance, each decision told once, and no error of a pass ends it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from du_infra.control.decision import Decision, Kind, in_words
from du_infra.control.traffic.dns import Checked
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.look import View
from du_infra.control.traffic.turn import Desk, look_around
from du_infra.control.traffic.watcher import Watcher
from du_infra.errors import Busy, DuError
from du_infra.progress import Reporter

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 30.0
LOUD = ("failed", "fail-over", "fail-open")
"""Kinds of decisions that a person at a command is to see as a warning."""
_BUSY_SECONDS = 5.0
_PAUSE = (0.25, 0.5)
_NUMBERS = re.compile(r"[0-9.]+ s\b|[0-9.]+ s ago|\d+ requests")


class TrafficMinder:
    """Minds one entrance. ``watcher`` makes what looks at regions; ``saw`` is given what each pass made of it."""

    def __init__(
        self,
        tell: Callable[[Decision], None],
        report: Reporter,
        *,
        dry_run: bool = False,
        watcher: Callable[[], Watcher] = Watcher,
        saw: Callable[[View], None] = lambda view: None,
    ) -> None:
        self._saw = saw
        self._tell, self._report, self._dry_run, self._new_watcher = tell, report, dry_run, watcher
        self._desk: Desk | None = None
        self._watcher: Watcher | None = None
        self._told: frozenset[str] = frozenset()
        self._saying: set[str] = set()
        self._asked = dry_run
        self._wait, self._not_before = _FIRST_WAIT, 0.0
        self._mend_wait, self._mend_at = _FIRST_WAIT, 0.0
        self._busy_since: float | None = None

    @property
    def pause(self) -> float:
        """Seconds between two passes: more often than observers look, and at least twice a second."""
        interval = self._desk.entrance.spec.interval.seconds if self._desk else 2.0
        return min(max(interval / 4, _PAUSE[0]), _PAUSE[1])

    def once(self, entrance: Entrance) -> DuError | None:
        """A single pass, which looks around first."""
        return self._guarded(lambda: self._only_pass(entrance))

    def mind(self, entrance: Entrance) -> DuError | None:
        """One pass of many. What goes wrong is told, and returned."""
        if time.monotonic() < self._not_before:
            return None
        return self._guarded(lambda: self._pass(entrance))

    def close(self) -> None:
        """Look no more."""
        if self._watcher:
            self._watcher.stop()
        self._desk = self._watcher = None

    def _only_pass(self, entrance: Entrance) -> None:
        desk, board = look_around(entrance, self._report, self._new_watcher(), dry_run=self._dry_run)
        self._tell_view(desk.turn(board))

    def _pass(self, entrance: Entrance) -> None:
        desk, watcher = self._at(entrance)
        desk.aim()
        view = desk.turn(watcher.board())
        self._busy_since = None
        self._tell_view(view)
        if not self._dry_run and (checked := desk.check(view)):
            self._tell_checked(desk, checked)

    def _at(self, entrance: Entrance) -> tuple[Desk, Watcher]:
        """The desk; a new one where fleet.yaml is another."""
        if self._watcher is None:
            self._watcher = self._new_watcher()
            self._desk = Desk(entrance, self._watcher, self._report, dry_run=self._dry_run)
            self._desk.aim()
            self._watcher.start()
        if self._desk is None or self._desk.entrance != entrance:
            self._desk = Desk(entrance, self._watcher, self._report, dry_run=self._dry_run)
        return self._desk, self._watcher

    def _guarded(self, work: Callable[[], None]) -> DuError | None:
        self._saying = set()
        try:
            work()
        except Busy as error:
            return self._busy(error)
        except DuError as error:
            return self._failed(error)
        except Exception as error:
            return self._failed(DuError(f"unforeseen: {type(error).__name__}: {error}"))
        finally:
            if self._told and not self._saying:
                self._tell(_decision("", "well", "the entrance is as it should be"))
            self._told, self._asked = frozenset(self._saying), False
        self._wait = _FIRST_WAIT
        return None

    def _tell_view(self, view: View) -> None:
        """What was done (or would be) and what waits."""
        self._saw(view)
        for action in view.plan.actions:
            if self._dry_run:
                self._say(action.kind, action.why, action.region)
            else:
                self._tell(_decision(action.region, action.kind, action.why))
        for words in view.plan.notes:
            self._say("waits", words)
        for name, one in view.standings.items():
            if one.leaning is not None or not one.known:
                self._say("left", one.why, name)
        for name, why in view.silent.items():
            self._say("left", f"it observes nobody: {why}", name)
        if self._asked and not self._saying:
            live = ", ".join(sorted(view.record.live())) if view.record else "nothing"
            self._tell(_decision("", "well", f"nothing is to be done: {view.aim.name} leads to {live}"))

    def _tell_checked(self, desk: Desk, checked: Checked) -> None:
        """A server that answers something else is told of, and brought along now and then."""
        wrong = [one for one in checked.verdicts if not one.ok]
        for one in wrong:
            self._say("failed", f"{one.server} {'; '.join(one.words)}")
        if not wrong:
            self._mend_wait, self._mend_at = _FIRST_WAIT, 0.0
        elif time.monotonic() >= self._mend_at:
            self._mend_at = time.monotonic() + self._mend_wait
            self._mend_wait = min(2 * self._mend_wait, _LONGEST_WAIT)
            desk.mend(checked)

    def _busy(self, error: Busy) -> DuError:
        """Two controllers meet now and then; only one that stays is worth a word."""
        now = time.monotonic()
        self._busy_since = self._busy_since if self._busy_since is not None else now
        if now - self._busy_since > _BUSY_SECONDS:
            self._say("busy", str(error))
        else:
            self._saying |= self._told
        return error

    def _failed(self, error: DuError) -> DuError:
        """Told, and tried again later and later, but within half a minute: a region may die meanwhile."""
        if self._watcher and self._watcher.broken:
            self.close()
        self._say("failed", in_words(error))
        self._not_before = time.monotonic() + self._wait
        self._wait = min(2 * self._wait, _LONGEST_WAIT)
        return error

    def _say(self, kind: Kind, text: str, region: str = "") -> None:
        """Tell, unless the pass before has told the same but for its numbers."""
        key = f"{kind} {region} {_NUMBERS.sub('', text)}"
        self._saying.add(key)
        if key not in self._told:
            self._tell(_decision(region, kind, text))


def _decision(region: str, kind: Kind, text: str) -> Decision:
    return Decision(region, kind, text, about="traffic")
