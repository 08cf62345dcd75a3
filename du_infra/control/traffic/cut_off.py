"""The loop's part in releases by waves: one that nobody is at work on any more goes on, forward or back."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from du_infra.control.decision import Decision, Kind, Teller
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.voyage import Voyage
from du_infra.control.traffic.waves import Make, go_on, unattended
from du_infra.errors import Busy, DuError
from du_infra.progress import Reporter

PATIENCE = 10.0
"""Seconds for a person to say the same command again."""
PAUSE = 2.0


class WaveMinder:
    """Looks at one entrance now and then, by ``look``; ``over``: whether the loop ends."""

    def __init__(
        self,
        tell: Teller,
        report: Reporter,
        over: Callable[[], bool],
        *,
        dry_run: bool = False,
        make: Make = Voyage,
    ) -> None:
        self._tell, self._report, self._over, self._dry_run, self._make = tell, report, over, dry_run, make
        self._since: float | None = None
        self._told = ""

    def look(self, entrance: Entrance) -> None:
        """Go on with a release that nobody was at work on for ``PATIENCE``, to its end."""
        try:
            course = unattended(entrance)
            if course is None:
                self._since, self._told = None, ""
            elif self._waited():
                self._go_on(entrance, f"{course.service or course.back} {course.tag}".strip(), back=bool(course.back))
        except Busy:
            self._since = None  # another is quicker
        except DuError as error:
            self._since = None
            self._say("failed", str(error))

    def _waited(self) -> bool:
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return now - self._since >= PATIENCE

    def _go_on(self, entrance: Entrance, what: str, *, back: bool) -> None:
        words = "goes back everywhere" if back else "goes on through the world"
        self._say("resume", f"{what} {words}: nobody is at work on it any more")
        if self._dry_run:
            return
        result = go_on(replace(entrance), self._report, self._over, self._make)  # with a store of its own, for hours
        self._since = None
        if result:
            self._say("done", f"{what} {'is back everywhere' if back else 'serves in every wave'}")

    def _say(self, kind: Kind, text: str) -> None:
        if text != self._told:
            self._told = text
            self._tell(Decision("", kind, text, about="traffic"))
