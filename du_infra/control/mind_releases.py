"""What a pass of the loop does about releases: what was cut off comes to its end, and late nodes are brought along."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from du_infra.control.catch_up import Tries, bring_along, plan_late
from du_infra.control.context import RegionContext
from du_infra.control.cut_off import cut_off_releases, end_releases
from du_infra.control.decision import Kind
from du_infra.control.heal import Look
from du_infra.errors import DuError
from du_infra.progress import Reporter
from du_infra.release.catch_up import Late
from du_infra.release.cut_off import CutOff


class Say(Protocol):
    """Tells a decision, of a node or of the region."""

    def __call__(self, kind: Kind, text: str, node: str = "") -> None:
        """Tell it."""


class ReleaseMinder:
    """Minds the releases of one region. ``trouble``: why a node could not be brought along in this pass, if so."""

    def __init__(self, say: Say, report: Reporter, *, dry_run: bool) -> None:
        self._say = say
        self._report = report
        self._dry_run = dry_run
        self._tries: Tries = {}
        self.trouble: DuError | None = None

    def mind(self, context: RegionContext, seen: Look, lost: Sequence[str], not_before: float) -> bool:
        """Whether anything was done, or would be. ``lost``: nodes on which nobody counts any more; ``not_before``: the
        monotonic time before which what failed is not tried again. Raises what :func:`end_releases` does.
        """
        return self._end(context, seen, lost, not_before) or self._catch_up(context, seen)

    def _end(self, context: RegionContext, seen: Look, lost: Sequence[str], not_before: float) -> bool:
        """Those that wait for a node hinder nothing else."""
        found = cut_off_releases(context, seen, lost)
        if all(one.waits for one in found) or time.monotonic() < not_before:
            self._tell(found)
            return False
        for words in end_releases(context, self._report, self._tell, dry_run=self._dry_run):
            self._say("done", words)
        return True

    def _catch_up(self, context: RegionContext, seen: Look) -> bool:
        """That a node cannot be brought along is its own trouble: nothing else waits longer for it."""
        plan = plan_late(context, seen, self._tries)
        for node, words in plan.left.items():
            self._say("left", words, node)
        if plan.late is None:
            return False
        if self._dry_run:
            self._tell_late(plan.late)
            return True
        late, self.trouble = bring_along(context, self._report, self._tries, self._tell_late)
        if late and self.trouble:
            self._say("failed", f"{self.trouble}; {self.trouble.todo}".strip("; "), late.node)
        elif late:
            self._say("done", "it serves what the others serve", late.node)
        return True

    def _tell(self, found: Sequence[CutOff]) -> None:
        for one in found:
            self._say("left" if one.waits else "resume", str(one))

    def _tell_late(self, late: Late) -> None:
        self._say("resume", f"it came back with another release than serves, and goes to it: {late}", late.node)
