"""A region without machines: requests, nodes that take a while to boot, measures of a minute, and the real planner.

The service is a queue. Each node carries ``capacity`` requests a second; utilisation u is what arrives (and waits) of
that; 95 % of the answers begin within 3 S / (1 - u), S being the time of one request on an idle node (an exponential
distribution's 95th percentile is ln 20 = 3.0 times its mean), and later by what waits in the queue. Nothing here is
measured: it is for trying settings and for tests, hours of it in a second.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from du_infra.autoscale.plan import horizon, plan
from du_infra.autoscale.state import MEASURED_SECONDS, Change, Sample, Settings, State

Load: TypeAlias = Callable[[float], float]
"""Requests a second that are asked at a time (seconds)."""

STEP_SECONDS = 5.0
_FULLEST = 0.98
_LN20 = 3.0
_PATIENCE = 10.0
"""Nobody waits longer than these seconds: what would wait longer is lost."""


@dataclass(frozen=True)
class Service:
    """``capacity``: requests a second at which a node is full; ``ms`` for one on an idle node; ``boot`` seconds until a
    new node takes requests; ``base`` percent of the CPU, and ``memory`` percent, that a node uses without any."""

    capacity: float = 100.0
    ms: float = 20.0
    boot: float = 45.0
    base: float = 3.0
    memory: float = 35.0


@dataclass(frozen=True)
class Point:
    """A moment of a run: what was asked, what served, and what was decided (``why`` where something was)."""

    when: float
    asked: float
    nodes: int
    serving: int
    cpu: float
    p95: float
    lost: float
    why: str = ""


@dataclass
class _Region:
    service: Service
    born: list[float]
    waiting: float = 0.0
    minute: deque[tuple[float, float, float]] = field(default_factory=lambda: deque(maxlen=int(60 / STEP_SECONDS)))

    def serving(self, now: float) -> int:
        return sum(now - born >= self.service.boot for born in self.born)

    def resize(self, nodes: int, now: float) -> None:
        """The youngest go first; they have done the least."""
        self.born = (self.born + [now] * nodes)[:nodes]

    def live(self, now: float, asked: float) -> tuple[float, float, float]:
        """CPU percent of a node that serves, p95 in ms, requests a second that were lost, over a step."""
        capacity = self.service.capacity * max(1, self.serving(now))
        work = asked + self.waiting / STEP_SECONDS
        done = min(work, capacity)
        self.waiting = (work - done) * STEP_SECONDS
        lost = max(0.0, self.waiting - _PATIENCE * capacity)
        self.waiting -= lost
        used = done / capacity
        p95 = _LN20 * self.service.ms / (1 - min(used, _FULLEST)) + 1000 * self.waiting / capacity
        self.minute.append((done, used, p95))
        return self._cpu(used), p95, lost / STEP_SECONDS

    def sample(self, now: float) -> Sample:
        """The means of the last minute. A node that boots tells nothing; its share of the load was others'."""
        told = max(1, self.serving(now))
        length = len(self.minute)
        done, used = (sum(part[i] for part in self.minute) / length for i in (0, 1))
        p95 = sorted(part[2] for part in self.minute)[-1 - length // 4]
        share = self.service.memory * used
        return Sample(
            when=now,
            nodes=len(self.born),
            silent=len(self.born) - told,
            cpu=self._cpu(used),
            memory=self.service.memory + share,
            pressure=0.0,
            rps=done / told,
            p95=p95 if done * MEASURED_SECONDS >= 20 else None,
        )

    def _cpu(self, used: float) -> float:
        return min(100.0, self.service.base + (100 - self.service.base) * used)


def run(
    load: Load,
    settings: Settings,
    *,
    seconds: float,
    every: float = 10.0,
    service: Service = Service(),
    nodes: int = 0,
) -> list[Point]:
    """A region under ``load`` for ``seconds``, looked at ``every`` so many; it begins with ``nodes``, or the least."""
    return list(_points(load, settings, seconds, every, service, nodes or settings.least))


def _points(
    load: Load, settings: Settings, seconds: float, every: float, service: Service, nodes: int
) -> Iterator[Point]:
    region = _Region(service, [-service.boot] * nodes)
    history: deque[Sample] = deque(maxlen=math.ceil(horizon(settings) / every) + 2)
    changes: list[Change] = []
    looked = 0.0
    for step in range(int(seconds / STEP_SECONDS)):
        now = (step + 1) * STEP_SECONDS
        asked = max(0.0, load(now))
        cpu, p95, lost = region.live(now, asked)
        why = ""
        if now - looked >= every and now >= MEASURED_SECONDS:
            looked = now
            there = len(region.born)
            history.append(region.sample(now))
            decision = plan(settings, history, now, State(there, there, tuple(changes)))
            if decision.changes:
                why = str(decision)
                changes.append(Change(now, there, decision.want, decision.why))
                region.resize(decision.want, now)
        yield Point(now, asked, len(region.born), region.serving(now), cpu, p95, lost, why)


def flat(height: float) -> Load:
    """The same all the time."""
    return lambda _: height


def step(low: float, high: float, at: float, until: float = math.inf) -> Load:
    """``high`` from ``at`` until ``until``, ``low`` before and after; a short one is a spike."""
    return lambda now: high if at <= now < until else low


def sine(low: float, high: float, period: float) -> Load:
    """From ``low`` to ``high`` and back in each ``period``."""
    return lambda now: low + (high - low) * (1 - math.cos(2 * math.pi * now / period)) / 2


def noisy(load: Load, share: float, seed: int = 1) -> Load:
    """``load`` with every moment up to ``share`` above or below it."""
    source = random.Random(seed)  # noqa: S311 - no secret
    return lambda now: load(now) * (1 + share * source.uniform(-1, 1))


def recorded(points: list[tuple[float, float]]) -> Load:
    """Load that was recorded: (second, requests a second), each holding until the next."""

    def at(now: float) -> float:
        return next((rps for when, rps in reversed(points) if when <= now), 0.0)

    return at


def turns(points: list[Point]) -> int:
    """How often a run went from growing to shrinking or back: flapping is many."""
    sizes = [point.nodes for point in points]
    ways = [1 if b > a else -1 for a, b in pairwise(sizes) if a != b]
    return sum(a != b for a, b in pairwise(ways))
