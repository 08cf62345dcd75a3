"""Nodes in memory that behave as du-node is documented to, with faults: cut connections, reboots, bad releases."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from du_infra.errors import Busy, DuError, EngineFailed
from du_infra.health.state import NodeReport
from du_infra.release.driver import Cut, Listener, Told
from du_infra.release.state import OPEN, Json, Rollout, State

BAD = "v9-bad"


class Killed(BaseException):
    """The controller died here."""


@dataclass
class FakeNode:
    """One node. ``silent`` and ``work`` count the looks until it answers, or has finished, again."""

    name: str
    serves: dict[str, str] = field(default_factory=dict)
    preview: dict[str, str] = field(default_factory=dict)
    wanted: Json = field(default_factory=dict)
    result: Json = field(default_factory=dict)
    silent: int = 0
    work: int = 0

    def take(self, wanted: Json, looks: int = 0) -> None:
        """Begin an apply, which ends by itself after some looks."""
        self.wanted, self.result, self.work = wanted, {}, looks
        if not looks:
            self.finish()

    def finish(self) -> None:
        """Do what is wanted: a bad release fails where something serves, and what served serves on."""
        failed, held = {}, []
        releases = {entry["name"]: entry["release"] for entry in self.wanted["services"]}
        for entry in self.wanted["services"]:
            name, release = entry["name"], entry["release"]
            if self.serves.get(name) == release:
                self.preview.pop(name, None)
            elif release == BAD:
                self.preview.pop(name, None)
                failed[name] = {"kind": "error", "error": "observation", "service": name, "text": "5 % errors"}
            elif entry["rollout"]["hold"] and self.serves.get(name):
                self.preview[name] = release
                held.append(name)
            else:
                self.preview.pop(name, None)
                self.serves[name] = release
        self.serves = {name: release for name, release in self.serves.items() if name in releases}
        config = self.wanted["config"]
        self.result = {"config": config, "ended": True, "failed": failed, "held": held, "reports": {}}
        self.work = 0

    def report(self) -> NodeReport:
        rows = [
            {"name": name, "release": self.serves.get(name, ""), "preview": self.preview.get(name, ""), "ready": True}
            for name in sorted({*self.serves, *self.preview})
        ]
        rows = [{**row, "ready": bool(row["release"])} for row in rows]
        done = bool(self.result) and not self.result["failed"] and not self.result["held"]
        return NodeReport(
            self.name,
            f"address of {self.name}",
            ready=done,
            config=self.wanted.get("config", "") if done else "",
            services=tuple(rows),
            busy={"verb": "apply"} if self.work else {},
            result=self.result,
        )


class FakeNodes:
    """A region. ``faults`` is how many are left to happen, each with the chance of ``rate``."""

    def __init__(self, nodes: Sequence[FakeNode], *, faults: int = 0, rate: float = 0.3, seed: int = 0) -> None:
        self.nodes = {node.name: node for node in nodes}
        self.faults = faults
        self.killable = 0
        self.at_work: set[str] = set()
        self.most_at_once = 0
        self.told: list[tuple[str, str, bool]] = []
        self.before_runs: list[str] = []
        self.before_error: DuError | None = None
        self.before_stopped: list[str] = []
        self.on_before: Callable[[], None] | None = None
        self.silent_to_stop = False
        self._rate = rate
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def look(self, nodes: Sequence[str]) -> list[NodeReport]:
        with self._lock:
            return [self._look(self.nodes[name]) for name in nodes]

    def apply(self, node: str, wanted: Json, listen: Listener, *, now: bool = False) -> Told:
        found = self.nodes[node]
        with self._lock:
            self._begin(found, wanted, now)
        time.sleep(self._random.choice([0.0005, 0.004]))  # so that others at work at the same time are seen
        with self._lock:
            self.at_work.discard(node)
            if self._strikes() and not found.silent:
                found.take(wanted, self._random.choice([0, 2]))
                listen({"kind": "step", "text": "works"})
                raise Cut("cut after it had begun", where=node)
            if found.silent:
                raise Cut("silent", where=node)
            found.take(wanted)
            result = found.result
            return Told(result["failed"], tuple(result["held"]))

    def before(self, node: str, order: Json, listen: Listener) -> None:
        with self._lock:
            if order["attempt"] not in self.before_runs:
                self.before_runs.append(order["attempt"])
            if self.before_error:
                raise self.before_error
        if self.on_before:
            self.on_before()
            while order["attempt"] not in self.before_stopped:  # it has no end of its own
                time.sleep(0.001)
            raise EngineFailed("the command was stopped", where=node)

    def stop_before(self, node: str, order: Json) -> None:
        if self.silent_to_stop:
            raise Cut("silent", where=node)
        self.before_stopped.append(order["attempt"])

    def releases(self, node: str) -> Mapping[str, Mapping[str, Any]]:
        with self._lock:
            found = self.nodes[node]
            return {name: {"release": release, "ready": True} for name, release in found.serves.items()}

    def front(self) -> str:
        return next(iter(self.nodes))

    def _begin(self, node: FakeNode, wanted: Json, now: bool) -> None:
        if node.silent or self._strikes():
            raise Cut("cut before it had begun", where=node.name)
        if node.work and not now:
            raise Busy("du-node is at work", where=node.name)
        if node.serves:
            self.at_work.add(node.name)
            self.most_at_once = max(self.most_at_once, len(self.at_work))
        self.told.append((node.name, ",".join(sorted(s["release"] for s in wanted["services"])), now))
        if self._strikes():
            node.silent = 3

    def _look(self, node: FakeNode) -> NodeReport:
        self.maybe_kill()
        if node.silent:
            node.silent -= 1
            if not node.silent and node.wanted and not node.result:
                node.finish()  # it booted, and finished what had been cut off
            return NodeReport(node.name, node.name, reachable=False, why="no answer")
        if node.work:
            node.work -= 1
            if not node.work:
                node.finish()
        return node.report()

    def maybe_kill(self) -> None:
        """The controller may die, in the thread ``killable``: those of single nodes die with it."""
        if threading.get_ident() == self.killable and self._strikes():
            raise Killed

    def _strikes(self) -> bool:
        if self.faults and self._random.random() < self._rate:
            self.faults -= 1
            return True
        return False


class FakeTable:
    """store.rollouts.Rollouts in memory."""

    def __init__(self) -> None:
        self.rows: dict[int, Rollout] = {}
        self.on_get: Callable[[], None] = lambda: None

    def begin(self, rollout: Rollout) -> Rollout:
        number = len(self.rows) + 1
        self.rows[number] = replace(rollout, id=number)
        return self.rows[number]

    def change(self, number: int, **fields: Any) -> Rollout:
        if self.rows[number].state in OPEN:
            self.rows[number] = replace(self.rows[number], **fields)
        return self.rows[number]

    def end(self, number: int, state: State, **fields: Any) -> Rollout:
        return self.change(number, **fields, state=state, ended=2.0)

    def get(self, number: int) -> Rollout:
        self.on_get()
        return self.rows[number]
