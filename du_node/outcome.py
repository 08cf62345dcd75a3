"""How bringing a node to what is wanted goes, and what of it is written down: /var/lib/du-node/result.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from du_node import files, places
from du_node.errors import NodeError
from du_node.state import Container, Observed


class Outcome:
    """How many steps were taken, the errors by service, the report of each release, and what is open at the end.

    ``failed`` are the verdicts: the error line of every service whose wanted release failed, in this run or in an
    earlier one for the same wanted state. ``leave`` are services that could not even be brought back.
    """

    def __init__(self) -> None:
        self.steps = 0
        self.errors: dict[str, NodeError] = {}
        self.failed: dict[str, dict[str, Any]] = {}
        self.leave: frozenset[str] = frozenset()
        self.held: list[str] = []
        self.reports: dict[str, dict[str, Any]] = {}
        self.lingering: dict[str, int] = {}
        self._excused: Counter[tuple[str, bool]] = Counter()
        # Where the last run ended, this one repairs: its failures say nothing of a release, and are tried again.
        self._verdicts: dict[str, dict[str, Any]] | None = None

    @classmethod
    def resumed(cls, result: Mapping[str, Any]) -> Outcome:
        """Goes on from what an earlier run for the same wanted state wrote down."""
        outcome = cls()
        outcome.failed = dict(result.get("failed") or {})
        outcome._verdicts = dict(outcome.failed) if result.get("ended", bool(result)) else None
        outcome.reports = {name: dict(report) for name, report in (result.get("reports") or {}).items()}
        return outcome

    def recall(self) -> None:
        """Have the verdicts of the earlier run count as errors of this one."""
        for service, line in self.failed.items():
            kind, what = line.get("error", "tool"), line.get("text", "it failed earlier")
            self.errors[service] = NodeError(
                kind, what, todo=line.get("todo", ""), detail=line.get("detail", ""), service=service
            )

    @property
    def keep(self) -> frozenset[str]:
        """Services whose wanted release is not tried (again)."""
        return frozenset(self.failed)

    @property
    def exit_code(self) -> int:
        """0, or that of the first error."""
        return next((error.exit_code for error in self.errors.values()), 0)

    def excuses(self, service: str, trouble: NodeError) -> bool:
        """Whether a failure is worth another look at the node: one on the way forward and one on the way back.

        A runtime or a gateway that was killed under a step is back for the next one.
        """
        key = service, service in self.failed
        self._excused[key] += 1
        return trouble.kind in ("tool", "gateway") and self._excused[key] == 1

    def fail(self, service: str, trouble: NodeError) -> None:
        """The verdict on the service's wanted release, written down before anything is undone."""
        if service in self.failed:
            self.leave |= {service}
        self.errors.setdefault(service, trouble)
        self.failed.setdefault(service, trouble.line())
        if self._verdicts is None:
            self.write(ended=False)

    def note(self, service: str, step: str, seconds: float, more: Mapping[str, Any]) -> None:
        """Add what a step took, and what it found, to the service's report; what it found outlives us."""
        report = self.reports.setdefault(service, {"seconds": {}, "cut": 0})
        cut = report["cut"] + more.get("cut", 0)
        report.update(more)
        report["cut"] = cut
        report["seconds"][step] = round(report["seconds"].get(step, 0.0) + seconds, 3)
        if more and self._verdicts is None:
            self.write(ended=False)

    def look(self, seen: Observed) -> None:
        """What is open at the end: releases that are held, slots that run on for their connections."""
        self.held = sorted(name for name, pair in seen.gateway.pairs.items() if pair.preview)
        self.lingering = {c.service: c.port for c in seen.containers if _lingers(c, seen)}

    def end(self) -> None:
        """Write that it ended. With services that could not be brought back it did not: that is tried again."""
        if self._verdicts is not None:
            self.failed, self.leave = self._verdicts, frozenset()
        self.write(ended=not self.leave)

    def write(self, *, ended: bool) -> None:
        """Write result.json."""
        told = {
            "wanted": files.stamp(places.WANTED),
            "ended": ended,
            "failed": self.failed,
            "held": self.held,
            "lingering": self.lingering,
            "reports": self.reports,
        }
        files.write(places.RESULT, json.dumps(told))


def _lingers(container: Container, seen: Observed) -> bool:
    pair = seen.gateway.pairs.get(container.service)
    return bool(container.running and container.connections and pair and container.slot not in pair.slots)
