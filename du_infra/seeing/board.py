"""Where the loop leaves what it sees, and others read it: nobody waits for anybody longer than it takes to copy."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from du_infra.seeing.life import Life, Patience
from du_infra.seeing.state import AutoscaleSeen, HookSeen, RegionSeen, Told
from du_infra.seeing.traffic import TrafficSeen

KEPT_DECISIONS = 200

Changes: TypeAlias = Callable[[Life, float], Life]


@dataclass(frozen=True)
class Snapshot:
    """Everything that is known at ``now`` (monotonic; ``time``: for people). Every region that is minded has a life.

    ``mistake``: what is wrong with the fleet file, "" for nothing. ``errors``: how often something could not be shown.
    """

    fleet: str
    now: float
    time: float
    loop: Life
    lives: Mapping[str, Life]
    regions: Mapping[str, RegionSeen] = field(default_factory=dict)
    autoscale: Mapping[str, AutoscaleSeen] = field(default_factory=dict)
    decisions: tuple[Told, ...] = ()
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    traffic: TrafficSeen | None = None
    hooks: Mapping[str, HookSeen] = field(default_factory=dict)
    mistake: str = ""
    dry_run: bool = False
    interval: float = 5.0
    errors: int = 0

    @property
    def stale(self) -> list[str]:
        """In words, what has given no sign of life for too long."""
        lives = {"the loop": self.loop, **{f"region {name}": life for name, life in self.lives.items()}}
        found = [(name, life.silent(self.now)) for name, life in lives.items() if life.stale(self.now)]
        return [f"{name}: no sign of life for {silent:.0f} s" for name, silent in found]

    def late(self, name: str) -> bool:
        """Whether a region was seen once, and too long ago to say how it is now."""
        found = self.regions.get(name)
        return found is not None and self.lives[name].is_late(found.at, self.now)

    def ready(self, name: str) -> bool | None:
        """Whether a region is ready; None where no look at it says so any more, or yet."""
        found = self.regions.get(name)
        return None if found is None or self.late(name) else found.status.ready


class Board:
    """Written by the loop's threads, read by the server's. Every method is short and raises nothing."""

    def __init__(self, *, interval: float = 5.0, dry_run: bool = False) -> None:
        self._lock = threading.Lock()
        self._interval = interval
        self._dry_run = dry_run
        self._fleet = ""
        self._mistake = ""
        self._loop = Life(time.monotonic(), Patience.of(interval))
        self._lives: dict[str, Life] = {}
        self._regions: dict[str, RegionSeen] = {}
        self._autoscale: dict[str, AutoscaleSeen] = {}
        self._traffic: TrafficSeen | None = None
        self._hooks: dict[str, HookSeen] = {}
        self._decisions: deque[Told] = deque(maxlen=KEPT_DECISIONS)
        self._counts: Counter[tuple[str, str]] = Counter()
        self._errors = 0

    def minded(self, fleet: str, regions: Mapping[str, float], mistake: str = "") -> None:
        """The loop minds these ``regions`` (name → how long a machine may take to boot), and no others."""
        now = time.monotonic()
        with self._lock:
            self._fleet, self._mistake = fleet, mistake
            self._loop = self._loop.moved(now)
            for name, boot in regions.items():
                patience = Patience.of(self._interval, boot)
                life = self._lives.get(name)
                self._lives[name] = replace(life, patience=patience) if life else Life(now, patience)
            for name in self._lives.keys() - regions.keys():
                self._forget(name)

    def minds(self, region: str) -> bool:
        """Whether the loop minds a region of this name."""
        with self._lock:
            return region in self._lives

    def began(self, region: str) -> None:
        """A pass over a region begins."""
        self._live(region, lambda life, now: life.began(now))

    def doing(self, region: str, words: str) -> None:
        """Something is done in a region now."""
        self._live(region, lambda life, now: life.does(now, words))

    def ended(self, region: str, error: str, *, busy: bool = False) -> None:
        """The pass is over; ``error`` is "" when it went well."""
        self._live(region, lambda life, now: life.ended(now, error, busy=busy))

    def saw(self, region: RegionSeen) -> None:
        """What a region looks like."""
        with self._lock:
            if region.name in self._lives:
                self._regions[region.name] = region
        self._live(region.name, lambda life, now: life.moved(now))

    def scaled(self, region: str, seen: AutoscaleSeen) -> None:
        """What the autoscaler says."""
        with self._lock:
            if region in self._lives:
                self._autoscale[region] = seen

    def traffic(self, seen: TrafficSeen | None) -> None:
        """What the world's entrance answers; None where there is none."""
        with self._lock:
            self._traffic = seen

    def hook(self, name: str, seen: HookSeen) -> None:
        """How a webhook does."""
        with self._lock:
            self._hooks[name] = seen

    def hooks(self, names: frozenset[str]) -> None:
        """Only these webhooks are there."""
        with self._lock:
            self._hooks = {name: self._hooks.get(name, HookSeen()) for name in sorted(names)}

    def told(self, region: str, kind: str, about: str, node: str, text: str) -> None:
        """A decision; ``region`` is "" for one about the loop itself."""
        with self._lock:
            self._decisions.appendleft(Told(time.time(), region, kind, about, node, text))
            if not region or region in self._lives:
                self._counts[region, kind] += 1
        self._live(region, lambda life, now: life.moved(now))

    def failed_to_show(self) -> None:
        """Something of the loop's could not be shown."""
        with self._lock:
            self._errors += 1

    def snapshot(self) -> Snapshot:
        """All of it, as it is now; nothing of it changes any more."""
        with self._lock:
            return Snapshot(
                fleet=self._fleet,
                now=time.monotonic(),
                time=time.time(),
                loop=self._loop,
                lives=dict(self._lives),
                regions=dict(self._regions),
                autoscale=dict(self._autoscale),
                decisions=tuple(self._decisions),
                counts=dict(self._counts),
                traffic=self._traffic,
                hooks=dict(self._hooks),
                mistake=self._mistake,
                dry_run=self._dry_run,
                interval=self._interval,
                errors=self._errors,
            )

    def _live(self, region: str, change: Changes) -> None:
        with self._lock:
            if life := self._lives.get(region):
                self._lives[region] = change(life, time.monotonic())

    def _forget(self, region: str) -> None:
        self._lives.pop(region, None)
        self._regions.pop(region, None)
        self._autoscale.pop(region, None)
        self._counts = Counter({key: count for key, count in self._counts.items() if key[0] != region})
