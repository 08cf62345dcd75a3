"""Minds one region: each pass looks, decides, and does what is due. No error of a pass ends it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Set

from du_infra.control.autoscale import carry_out, plan_autoscale
from du_infra.control.context import RegionContext
from du_infra.control.copies import scales, settle, unsettled
from du_infra.control.decision import About, Decision, Kind, Teller, in_words
from du_infra.control.heal import Look, heal, look, open_release, plan_heal, unfinished
from du_infra.control.lock import locked
from du_infra.control.mind_backups import BackupMinder
from du_infra.control.mind_releases import ReleaseMinder
from du_infra.control.resume import plan_unfinished, resume
from du_infra.control.watch import Watcher
from du_infra.errors import Busy, DuError
from du_infra.health.heal import Healing
from du_infra.health.resume import Resume
from du_infra.progress import Reporter

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0


class Minder:
    """Minds one region, pass by pass. ``dry_run``: says what it would do, and changes nothing.

    A pass that finds that the loop is ``stopping`` when it has looked begins nothing.
    """

    def __init__(
        self,
        region: str,
        tell: Teller,
        report: Reporter,
        *,
        dry_run: bool = False,
        stopping: Callable[[], bool] = lambda: False,
        watcher: Watcher | None = None,
    ) -> None:
        self._stopping = stopping
        self._watcher = watcher or Watcher()
        self._about: About = "healing"
        self._region = region
        self._tell = tell
        self._report = report
        self._dry_run = dry_run
        self._told: frozenset[str] = frozenset()
        self._asked = dry_run
        self._well = ""
        self._saying: set[str] = set()
        self._wait = _FIRST_WAIT
        self._not_before = 0.0
        self._settle_wait = _FIRST_WAIT
        self._settle_from = 0.0
        self._releases = ReleaseMinder(self._say, report, dry_run=dry_run)
        self._backups = BackupMinder(self._say, report, dry_run=dry_run)

    def mind(self, context: RegionContext) -> DuError | None:
        """One pass. What goes wrong is told, and returned for who makes only one."""
        self._watcher.began(self._region)
        error = self._mind(context)
        self._watcher.ended(self._region, error)
        return error

    def _mind(self, context: RegionContext) -> DuError | None:
        self._saying, self._about = set(), "healing"
        self._releases.trouble = self._backups.trouble = None
        try:
            self._pass(context)
        except Busy as error:
            self._say("busy", str(error))
            return error
        except DuError as error:
            return self._failed(error)
        except Exception as error:
            return self._failed(DuError(f"unforeseen: {type(error).__name__}: {error}"))
        finally:
            if not self._saying and (self._told or self._well):
                self._about = "healing"
                self._decide("well", self._well or "nothing is amiss any more")
            self._well = ""
            self._told = frozenset(self._saying)
        return self._releases.trouble or self._backups.trouble

    def _pass(self, context: RegionContext) -> None:
        seen = look(context)
        if self._stopping():
            self._saying = {*self._told}
            return
        if self._asked:  # who asks what would be done wants an answer, if only that it is nothing
            self._asked, self._well = False, _well(seen)
        plan, begun = plan_heal(context, seen), unfinished(context)
        self._watcher.saw(context, seen, plan)
        for words in (*plan.why, *(plan.early if self._dry_run else ())):
            self._say("left", words)
        waits = open_release(context) if begun else ""
        for node, why in begun.items():
            if waits:
                self._say("left", f"its replacement waits: {waits}", node)
            else:
                self._say("resume", f"its replacement goes on: {why}", node)
        for action in plan.actions:
            self._say(action.kind, action.why, action.node)
        # else the lock would be taken for nothing, from who ends the release
        self._act(context, seen, plan, begun, heals=bool(plan.actions or (begun and not waits)))
        if time.monotonic() >= self._not_before:
            self._wait = _FIRST_WAIT

    def _act(self, context: RegionContext, seen: Look, plan: Healing, begun: Mapping[str, str], *, heals: bool) -> None:
        """The most urgent thing that is due, and no other: after it the region looks otherwise."""
        if heals and self._heal(context):
            return
        if self._releases.mind(context, seen, plan.lost, self._not_before) or heals or begun:
            return
        if self._resume(context, seen, plan.sightings.keys()) or plan.sightings or not seen.views:
            return
        self._upkeep(context, seen)

    def _upkeep(self, context: RegionContext, seen: Look) -> None:
        """That there is no room for more nodes may last for days, and keeps nobody from a backup."""
        try:
            self._scale(context, seen)
            self._settle(context, seen)
        except Busy:
            raise
        except Exception:
            self._back_up(context)
            raise
        self._back_up(context)

    def _heal(self, context: RegionContext) -> bool:
        """Whether it was tried. While it waits to be tried again, what needs no other node goes on."""
        if self._dry_run or time.monotonic() < self._not_before:
            return False
        for node, words in heal(context, self._report).done.items():
            self._decide("done", words, node)
        return True

    def _resume(self, context: RegionContext, seen: Look, unwell: Set[str]) -> bool:
        """Whether other work than a replacement of ours was cut off, and goes on; told when it is sure, under the lock,
        that nobody is at it. A node that is unwell for another reason than that comes first."""
        found = plan_unfinished(context, seen)
        if unwell - found.work.keys():
            return False
        if found.waits or not found.work:
            self._tell_unfinished(found)
            return False
        if time.monotonic() < self._not_before:
            self._tell_unfinished(found)
            return True
        for node, words in resume(context, self._report, self._tell_unfinished, dry_run=self._dry_run).items():
            self._decide("done", words, node)
        return True

    def _tell_unfinished(self, found: Resume) -> None:
        for node, words in found.work.items():
            if found.waits:
                self._say("left", f"{words}, and that waits: {found.waits}", node)
            else:
                self._say("resume", f"{words}: that was cut off, and goes on", node)

    def _scale(self, context: RegionContext, seen: Look) -> None:
        """Only where nothing is amiss: a node too few is healing's matter first."""
        if not context.spec.pool.autoscale and not scales(context):
            return
        self._about = "autoscale"
        planned = plan_autoscale(context, seen.reports)
        self._watcher.scaled(self._region, planned)
        due = [f"{one.service}: {one.due}" for one in planned.copies if one.changes]
        for words in [*due, *([str(planned.decision)] if planned.decision.changes else [])]:
            self._say("scale", words)
        if not planned.changes or self._dry_run or time.monotonic() < self._not_before:
            return
        done = carry_out(context, planned, self._report)
        for words in due if done.told else ():
            self._decide("done", words)
        if done.up:
            self._decide("done", f"{len(done.up.nodes)} node(s)")

    def _settle(self, context: RegionContext, seen: Look) -> None:
        """Copies in a cluster that are too many, or that share a node while another has none.

        What does not help is tried later and later: a node that takes no pods has none for a reason.
        """
        self._about = "autoscale"
        due = () if open_release(context) else unsettled(context, seen.reports)
        for words in due:
            self._say("scale", words)
        if not due:
            self._settle_wait, self._settle_from = _FIRST_WAIT, 0.0
        elif not self._dry_run and time.monotonic() >= max(self._not_before, self._settle_from):
            with locked(context, self._report):
                done = settle(context, context.must_be_up(), self._report)
            for words in done:
                self._decide("done", words)
            self._settle_from = time.monotonic() + self._settle_wait
            self._settle_wait = min(self._settle_wait * 2, _LONGEST_WAIT)

    def _back_up(self, context: RegionContext) -> None:
        """Once a day, what the region's cluster keeps; only where nothing is amiss."""
        about, self._about = self._about, "upkeep"
        self._backups.mind(context)
        self._about = about

    def _failed(self, error: DuError) -> DuError:
        """Told, and tried again later and later: a provider that is in trouble must not be asked for ever more."""
        self._say("failed", in_words(error))
        self._not_before = time.monotonic() + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        return error

    def _say(self, kind: Kind, text: str, node: str = "") -> None:
        """Tell, unless it is told already: the pass before told the same but for its numbers of seconds."""
        if kind == "done":
            self._decide(kind, text, node)
            return
        key = f"{kind} {node} {re.sub(r'[0-9]+ s', '', text)}"
        self._saying.add(key)
        if key not in self._told:
            self._decide(kind, text, node)

    def _decide(self, kind: Kind, text: str, node: str = "") -> None:
        decision = Decision(self._region, kind, text, node, self._about)
        self._tell(decision)
        self._watcher.told(decision)


def _well(seen: Look) -> str:
    """What was seen of a region in which nothing is amiss."""
    if not seen.views:
        return "it is not up, so there is nothing to mind"
    taking = [view.name for view in seen.views if view.serving]
    return f"nothing is amiss: {len(taking)} of {len(seen.views)} node(s) take requests ({', '.join(taking) or 'none'})"
