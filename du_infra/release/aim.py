"""Where a rollout is going: what each node is asked for, and what its answer means. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.release.options import way_in
from du_infra.release.plan import entry_of, wanted_of
from du_infra.release.rollout import At, Seen
from du_infra.release.state import Direction, Json, Rollout


@dataclass(frozen=True)
class Kept:
    """What the store knows: every release's record by service and id, and which id serves ("" is never there)."""

    records: Mapping[tuple[str, str], Json] = field(default_factory=dict)
    live: Mapping[str, str] = field(default_factory=dict)

    def record(self, service: str, release: str) -> Json:
        """A release's record. Raises Refused when the store has none."""
        found = self.records.get((service, release))
        if found is None:
            what = f"the store knows nothing of release {release or '(none)'} of {service}"
            raise Refused(what, todo="run `du-infra region up` first, which brings the region to fleet.yaml")
        return found


@dataclass(frozen=True)
class Aim:
    """Services that go to another release: ``targets`` are the new records, ``previous`` the old ones, by service.

    ``rollouts`` say how (du-node's settings, by service). Services in ``drop`` leave the nodes; every other one stays
    as each node has it, and a node that lacks one of ``also`` gets it. ``mend``: a node that has the new releases and
    is not ready has not arrived.
    """

    fleet: str
    region: str
    targets: Mapping[str, Json]
    previous: Mapping[str, Json] = field(default_factory=dict)
    rollouts: Mapping[str, Json] = field(default_factory=dict)
    kept: Kept = Kept()
    drop: frozenset[str] = frozenset()
    also: Mapping[str, Json] = field(default_factory=dict)
    mend: bool = False

    def wanted(self, report: NodeReport, direction: Direction) -> Json:
        """What the node is asked for. On the way back nothing is observed."""
        if direction == "forward":
            entries = [entry_of(record, self.rollouts.get(name)) for name, record in self.targets.items()]
        else:
            entries = [entry_of(self.previous[name]) for name in self.targets if name in self.previous]
        wanted = wanted_of(self.fleet, self.region, [*entries, *self._others(report)])
        return {**wanted, "node": report.name}

    def see(self, report: NodeReport, *, asked: bool = False, given_up: bool = False) -> Seen:
        """The node as the planner wants to know it; of one that does not answer nothing more is known."""
        if not report.answers:
            return Seen(report.name, "other", answers=False, ready=False, asked=asked)
        rows = {str(row["name"]): row for row in report.services}
        mine = [rows[name] for name in self.targets if name in rows and rows[name].get("release")]
        ready = len(mine) == len(self.targets) and all(row.get("ready") for row in mine)
        forward = _arrived(report, self.wanted(report, "forward"))
        return Seen(
            node=report.name,
            at=self._at(report, rows, ready),
            ready=ready,
            empty=not mine,
            failed=asked and forward and any(name in _failed(report) for name in self.targets),
            busy=_at_work(report),
            asked=asked,
            given_up=given_up,
        )

    def _at(self, report: NodeReport, rows: Mapping[str, Mapping[str, Any]], ready: bool) -> At:
        if _at_work(report):
            return "other"
        if _arrived(report, self.wanted(report, "forward")) and not self.targets.keys() & _failed(report).keys():
            if self.targets.keys() & set(_held(report)):
                return "held"
            if _serves(rows, self.targets, self.targets) and (ready or not self.mend):
                return "new"
        if _arrived(report, self.wanted(report, "back")) and _serves(rows, self.targets, self.previous):
            return "old"
        return "other"

    def _others(self, report: NodeReport) -> Iterable[Json]:
        """The services that are not ours to change, each as this node has it."""
        for row in report.services:
            name, preview = str(row["name"]), str(row.get("preview") or "")
            if name in self.targets or name in self.drop:
                continue
            if preview:
                record = self.kept.record(name, preview)
                yield entry_of(record, {**way_in(record)["rollout"], "hold": True})
            elif release := str(row.get("release") or self.kept.live.get(name, "")):
                yield entry_of(self.kept.record(name, release))
        there = {row["name"] for row in report.services}
        yield from (entry_of(record) for name, record in self.also.items() if name not in there)


def live_of(history: Sequence[Rollout]) -> dict[str, str]:
    """Which release of each service serves by the store's word; ``history`` is the newest first."""
    live: dict[str, str] = {}
    for rollout in history:
        release = rollout.release if rollout.state == "done" else rollout.previous
        if release:
            live.setdefault(rollout.service, release)
    return live


def shown(service: str, reports: Iterable[NodeReport]) -> str:
    """The release of ``service`` that the first node of these which serves one serves; "" when none does."""
    rows = (row for report in reports for row in report.services if row.get("name") == service)
    return next((str(row["release"]) for row in rows if row.get("release")), "")


def _at_work(report: NodeReport) -> bool:
    """Whether du-node does what somebody asked for. A heal gives way to whoever asks."""
    return bool(report.busy) and report.busy.get("verb") != "heal"


def _arrived(report: NodeReport, wanted: Mapping[str, Any]) -> bool:
    """Whether the node's last apply was for this, and ended, well or not."""
    result = report.result
    return report.config == wanted["config"] or (bool(result.get("ended")) and result.get("config") == wanted["config"])


def _serves(rows: Mapping[str, Mapping[str, Any]], names: Iterable[str], records: Mapping[str, Json]) -> bool:
    return all(
        (rows.get(name) or {}).get("release", "") == (records[name]["release"] if name in records else "")
        for name in names
    )


def _failed(report: NodeReport) -> Mapping[str, Any]:
    failed: Mapping[str, Any] = report.result.get("failed") or {}
    return failed


def _held(report: NodeReport) -> Iterable[str]:
    held: Iterable[str] = report.result.get("held") or ()
    return held
