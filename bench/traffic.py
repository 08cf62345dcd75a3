"""What one decision about the world's entrance costs: votes are counted, and ten thousand regions of a name planned."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from statistics import median

from bench.report import Row, at_most
from du_infra.health.observers import appoint
from du_infra.health.quorum import Patience, Vote, judge_regions
from du_infra.health.state import Standing
from du_infra.traffic.aim import Aim, Settings
from du_infra.traffic.capacity import Load
from du_infra.traffic.memory import Memory
from du_infra.traffic.plan import Facts, Plan, plan_traffic
from du_infra.traffic.state import Record

REGIONS = 10_000
_NOW = 1_000_000.0
_PATIENCE = Patience()
_SETTINGS = Settings(min_requests=0, soak=60)
_NAMES = [f"r{number}" for number in range(REGIONS)]
_AIM = Aim(
    "www.example.com", 30, dict.fromkeys(_NAMES, 1), {n: f"10.{i >> 8}.{i & 255}.1" for i, n in enumerate(_NAMES)}
)
_WHO = appoint(_NAMES)
_LOADS = dict.fromkeys(_NAMES, Load(100, 1, 4))
_DEAD = frozenset(_NAMES[:100])


def measure() -> Iterator[Row]:
    """Milliseconds of CPU for a whole pass, in a process that does nothing else; the median of ten."""
    done = subprocess.run([sys.executable, "-m", "bench.traffic"], check=True, capture_output=True, text=True)
    for what, spent in json.loads(done.stdout).items():
        yield at_most(f"{REGIONS:,} regions of one name, 5 votes on each, {what}", median(spent), 100, "ms")
        yield Row("… the slowest of ten", f"{max(spent):.0f} ms")


def _votes(now: float, dead: frozenset[str]) -> dict[str, dict[str, Vote]]:
    return {name: {one: Vote(now - 1, name not in dead, "no answer") for one in who} for name, who in _WHO.items()}


def _pass(
    standings: dict[str, Standing],
    votes: dict[str, dict[str, Vote]],
    record: Record | None,
    memory: Memory | None,
    now: float,
) -> tuple[dict[str, Standing], Plan]:
    health = judge_regions(standings, votes, _WHO, _PATIENCE, now)
    return health, plan_traffic(_AIM, Facts(record, health, _LOADS), memory, _SETTINGS, now)


def _ten(run: Callable[[], object]) -> list[float]:
    """Milliseconds of CPU, each of ten times."""
    spent = []
    for _ in range(10):
        start = time.process_time()
        run()
        spent.append(1000 * (time.process_time() - start))
    return spent


def _main() -> None:
    well, sick = _votes(_NOW, frozenset()), _votes(_NOW + 10, _DEAD)
    standings = dict.fromkeys(_NAMES, Standing("up", 0.0))
    standings, first = _pass(standings, well, None, None, _NOW)
    record, memory = first.record, first.memory
    calm = _ten(lambda: _pass(standings, well, record, memory, _NOW + 2))
    leaning, _ = _pass(standings, _votes(_NOW + 4, _DEAD), record, memory, _NOW + 4)
    _, plan = _pass(leaning, sick, record, memory, _NOW + 10)
    if len(plan.actions) != len(_DEAD):
        sys.exit("nobody failed over: this measures nothing")
    falling = _ten(lambda: _pass(leaning, sick, record, memory, _NOW + 10))
    print(json.dumps({"nothing changes": calm, f"{len(_DEAD)} regions fail at once": falling}))


if __name__ == "__main__":
    _main()
