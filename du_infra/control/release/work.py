"""One batch of a rollout: every node of it at once, forward or back, each proved through its own gateway."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from du_infra.control.release.cuts import apply_through_cuts
from du_infra.control.release.desk import Desk
from du_infra.control.release.log import Log
from du_infra.control.release.team import Team
from du_infra.control.release.words import error_of, listener
from du_infra.errors import Busy, DuError, EngineFailed, NotReady
from du_infra.health.state import NodeReport
from du_infra.release.aim import Aim
from du_infra.release.driver import Told
from du_infra.release.state import Direction

_TRIES = 3


class Work:
    """Asks nodes, and remembers which failed forward (``failed``) and which could not go back (``given_up``)."""

    def __init__(self, desk: Desk, aim: Aim, log: Log) -> None:
        self._desk = desk
        self._aim = aim
        self._log = log
        self._tries: dict[tuple[str, Direction], int] = {}
        self._team: Team[Told] | None = None
        self._batch = 0
        self.failed: dict[str, DuError] = {}
        self.given_up: dict[str, DuError] = {}

    def forward(self, reports: Sequence[NodeReport]) -> DuError | None:
        """Have nodes go to the new release. The first node's error, by order, or None.

        Leaves them alone, without an error, when somebody asks for the release to be aborted.
        """
        self._batch += 1
        self._log.ask(report.name for report in reports)
        try:
            with self._desk.part(f"batch {self._batch}", _names(reports), told=False) as at:
                team = self._team = Team(lambda report: self._go(report, at), reports)
                if team.wait(lambda: bool(self._log.request()), self._desk.pace.request):
                    self._note(team.results)
                    self._judge("forward", reports, team.errors, self.failed)
        except DuError as error:
            return error
        return None

    def back(self, reports: Sequence[NodeReport]) -> None:
        """Have nodes go back, ending what is at work there; one that cannot is given up."""
        with self._desk.part("back", _names(reports)) as at:
            team = Team(lambda report: self._return(report, at), reports)
            team.wait(lambda: False, self._desk.pace.request)
            if self._team:
                self._team.join()  # left alone when the abort came; nothing of it may follow what was done here
        try:
            self._judge("back", reports, team.errors, self.given_up)
        except DuError:
            return  # the planner sees who was given up

    def _go(self, report: NodeReport, at: str) -> Told:
        told = self._apply(report, "forward", at)
        ours = {name: line for name, line in told.failed.items() if not name or name in self._aim.targets}
        if ours:
            raise error_of(report.name, next(iter(ours.values())))
        if not told.held:
            self._prove(report)
        return told

    def _return(self, report: NodeReport, at: str) -> Told:
        told = self._apply(report, "back", at)
        if line := next((line for name, line in told.failed.items() if not name or name in self._aim.previous), None):
            raise error_of(report.name, line)
        return told

    def _apply(self, report: NodeReport, direction: Direction, at: str) -> Told:
        wanted = self._aim.wanted(report, direction)
        listen = listener(self._desk.report, at, report.name)
        team = self._team if direction == "forward" else None
        return apply_through_cuts(
            self._desk.nodes,
            wanted,
            listen,
            self._desk.pace,
            now=direction == "back",
            left=lambda: team is not None and team.left,
        )

    def _prove(self, report: NodeReport) -> None:
        """Ask the node's own gateway until it tells the new releases, ready. Raises NotReady."""
        deadline = time.monotonic() + self._desk.pace.gateway
        while True:
            found = self._desk.nodes.releases(report.name)
            wrong = [name for name, record in self._aim.targets.items() if not _shows(found.get(name), record)]
            if not wrong:
                return
            if time.monotonic() > deadline:
                shown = (found.get(wrong[0]) or {}).get("release") or "nothing"
                what = f"its gateway shows {shown}, not {self._aim.targets[wrong[0]]['release']} as ready"
                raise NotReady(what, where=f"{report.name}/{wrong[0]}", todo="see `du-node status` on the node")
            time.sleep(self._desk.pace.look / 10)

    def _note(self, results: Mapping[str, Told]) -> None:
        releases = {name: str(record["release"]) for name, record in self._aim.targets.items()}
        for name, told in results.items():
            self._log.serves(name, None if told.held else releases, told.reports)

    def _judge(
        self,
        direction: Direction,
        reports: Sequence[NodeReport],
        errors: Mapping[str, Exception],
        bad: dict[str, DuError],
    ) -> None:
        """Note who failed, and raise the first one's error. Where du-node was busy it is only asked again."""
        for name in (report.name for report in reports):
            tries = self._tries[name, direction] = self._tries.get((name, direction), 0) + 1
            error = errors.get(name)
            if error is None or isinstance(error, Busy):
                if tries <= _TRIES:
                    continue
                error = error or EngineFailed("the node does not settle", where=name, todo="see `du-node status` there")
            bad[name] = _known(name, error)
        if first := next((bad[report.name] for report in reports if report.name in bad), None):
            raise first


def _names(reports: Sequence[NodeReport]) -> str:
    return ", ".join(report.name for report in reports)


def _shows(row: Mapping[str, object] | None, record: Mapping[str, object]) -> bool:
    return row is not None and bool(row.get("ready")) and row.get("release") == record["release"]


def _known(node: str, error: Exception) -> DuError:
    if isinstance(error, DuError):
        return error
    return DuError(f"unforeseen: {type(error).__name__}: {error}", where=node, todo="report it; the release goes back")
