"""Carries a rollout out: look at every node, ask the planner, do its step, until it says that this is the end."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from du_infra.control.release.before import run_before, stop_before
from du_infra.control.release.cuts import time_for
from du_infra.control.release.desk import Desk, Ending
from du_infra.control.release.ending import finish
from du_infra.control.release.log import Log
from du_infra.control.release.work import Work
from du_infra.errors import Busy, DuError, NotReady, Refused
from du_infra.health.state import NodeReport
from du_infra.progress import Event
from du_infra.release.aim import Aim
from du_infra.release.rollout import Return, Rules, Seen, Step, Stop, Stuck, Switch, TurnBack, Wait, next_step
from du_infra.release.state import Direction, Rollout


class Engine:
    """One rollout. ``order`` has every node of the region; ``rows`` is empty where a region is only mended.

    ``lost``: those that nobody waits for any more, and that may be left out on the way back.
    """

    def __init__(
        self,
        desk: Desk,
        aim: Aim,
        rules: Rules,
        rows: Sequence[Rollout],
        order: Sequence[str],
        *,
        lost: Collection[str] = (),
    ) -> None:
        self._desk = desk
        self._aim = aim
        self._rules = rules
        self._order = list(order)
        self._lost = frozenset(lost)
        self._log = Log(desk.table, rows, order)
        self._work = Work(desk, aim, self._log)
        self._direction: Direction = rows[0].direction if rows else "forward"
        self._failure: DuError | None = None
        self._worked = False
        self._waiting = 0.0

    def run(self, reports: Sequence[NodeReport] = ()) -> Ending:
        """Go on from what the nodes show until the end; ``reports`` is a look that was just taken, if there is one.

        What went wrong is in the ending. Raises Busy when our lease is lost: then another controller goes on.
        """
        reports = reports or self._look()
        while True:
            self._desk.check()
            self._mind_requests()
            if self._direction == "back":
                stop_before(self._desk, self._aim, self._log)
            reports, step = self._next(reports)
            if isinstance(step, TurnBack):
                self._turn(NotReady(step.why, where=self._aim.region))
            elif not isinstance(step, Switch | Return | Wait):
                ending = finish(step, self._aim, self._log, reports, self._failure)
                return replace(ending, worked=self._worked)
            elif not self._do(step, reports):  # `before` failed
                return finish(Stop(""), self._aim, self._log, reports, self._failure)
            reports = self._look()

    def _do(self, step: Switch | Return | Wait, reports: Sequence[NodeReport]) -> bool:
        """Do a step; false when it ends here, before any node was asked for anything."""
        by_name = {report.name: report for report in reports}
        if isinstance(step, Wait):
            return self._wait([by_name[name] for name in step.nodes])
        self._waiting = 0.0
        if isinstance(step, Return):
            self._work.back([by_name[name] for name in step.nodes])
        else:
            try:
                run_before(self._desk, self._aim, self._log, step.nodes[0])
            except DuError as error:
                self._fail(error)
                return False
            if self._log.request():
                return True  # the next look turns it back
            self._worked = True
            if failure := self._work.forward([by_name[name] for name in step.nodes]):
                self._fail(failure)
        return True

    def _look(self) -> list[NodeReport]:
        return self._desk.nodes.look(self._order)

    def _next(self, reports: Sequence[NodeReport]) -> tuple[Sequence[NodeReport], Step]:
        """The planner's step; one that a second look may change is looked at again for a while first."""
        began, pace = time.monotonic(), self._desk.pace
        while True:
            seen = [self._seen(report) for report in reports]
            step = next_step(self._direction, seen, self._rules)
            # A node that is silent in the middle is worth more patience than one with which nothing has begun.
            begun = any(node.asked and not node.answers and not node.lost for node in seen)
            limit = pace.lost if begun else pace.doubt
            doubtful = isinstance(step, Stuck) or (isinstance(step, TurnBack | Stop) and not step.sure)
            if not doubtful or time.monotonic() - began >= limit:
                return reports, step
            time.sleep(pace.look)
            reports = self._look()

    def _seen(self, report: NodeReport) -> Seen:
        asked, given_up = self._log.asked(report.name), report.name in self._work.given_up
        seen = self._aim.see(report, asked=asked, given_up=given_up)
        failed = seen.answers and (seen.failed or report.name in self._work.failed)
        return replace(seen, failed=failed, lost=report.name in self._lost)

    def _mind_requests(self) -> None:
        if self._direction == "forward" and (who := self._log.request()):
            self._turn(Refused(f"aborted by {who}"))

    def _turn(self, error: DuError) -> None:
        self._failure = self._failure or error
        self._direction = "back"
        self._log.turn(self._failure)

    def _fail(self, error: DuError) -> None:
        self._failure = self._failure or error
        self._log.blame(error)

    def _wait(self, reports: Sequence[NodeReport]) -> bool:
        """Until a du-node that somebody else started comes to its end, as long as ours might take."""
        now = time.monotonic()
        if not self._waiting:
            longest = max(time_for(self._aim.wanted(report, "forward")) for report in reports)
            self._waiting = now + longest
            for report in reports:
                text = "du-node is still at work there; waiting for it"
                self._desk.report(Event("step", self._desk.stage or "release", text, node=report.name))
        if now > self._waiting:
            self._turn(Busy("du-node does not come to an end", where=", ".join(report.name for report in reports)))
        time.sleep(self._desk.pace.look)
        return True
