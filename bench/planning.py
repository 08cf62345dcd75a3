"""What planning costs as work grows: a thousand regions of ten nodes, everything that one pass of the loop plans."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from bench.report import Row, at_most
from du_infra.autoscale.plan import plan as plan_autoscale
from du_infra.autoscale.state import Sample, Settings, State
from du_infra.control.region_plan import plan_region
from du_infra.health.heal import CONTROLLER, History, Sighting, View, plan_healing
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord, PoolWish, plan_pool
from du_infra.pool.state import Machine, Network, Node, NodeView
from du_infra.pool.survey import Survey
from du_infra.release.aim import Aim, Kept
from du_infra.release.goal import goal_of
from du_infra.release.state import Json
from du_infra.spec import HealSpec

REGIONS, NODES = 1000, 10
_SAMPLES = 120
"""Ten minutes of the loop's looks."""
_NOW = 1_000_000.0
_NETWORK = Network("10.0.0.0/8", "10.0.0.1", "10.0.0.2", "10.255.255.254")
_SETTINGS = Settings(1, 20, {"cpu": 60, "p95": 200})
_RELEASE: Json = {"name": "hello", "release": "v1-aa", "tag": "v1", "start_timeout": 60, "stop_grace": 10}


def measure() -> Iterator[Row]:
    """Seconds of CPU and the most memory of a process that does nothing else."""
    done = subprocess.run([sys.executable, "-m", "bench.planning"], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    what = f"planning {REGIONS:,} regions of {NODES} nodes, one of them dead"
    yield at_most(f"{what}: pool, healing, autoscaling, services", told["seconds"], 5, "s")
    yield at_most(f"{what}: memory, all that was observed included", told["memory_mb"], 500, "MB")


def _name(region: int, node: int) -> str:
    return f"bench-r{region}-{node}"


def _address(region: int, node: int) -> str:
    return f"10.{region // 250}.{region % 250}.{node + 1}"


def _machines() -> list[Machine]:
    """Every machine of one provider, as its API lists them: all regions together. Each region has lost its first."""
    return [
        Machine(_name(r, n), "running", (_address(r, n),), "ours", "bench", f"r{r}")
        for r in range(REGIONS)
        for n in range(2, NODES + 1)
    ]


def _reports(region: int) -> list[NodeReport]:
    load = {"cpu_percent": 70.0, "memory_percent": 40.0, "rps": 50.0, "p95_ms": 120.0}
    row = {"name": "hello", "release": "v1-aa", "tag": "v1", "ready": True}
    peers = tuple({"name": _name(region, n), "address": _address(region, n), "up": n > 1} for n in range(1, NODES + 1))
    return [
        NodeReport(_name(region, n), _address(region, n), reachable=n > 1, ready=n > 1, configured="k", services=(row,))
        if n == 1
        else NodeReport(
            _name(region, n), _address(region, n), ready=True, configured="k", services=(row,), peers=peers, load=load
        )
        for n in range(1, NODES + 1)
    ]


def _plan(region: int, machines: Survey, reports: list[NodeReport], history: list[Sample]) -> int:
    """One region's pass; how many things there are to do."""
    names = [_name(region, n) for n in range(1, NODES + 1)]
    nodes = tuple(Node(name, "1c1g", _address(region, n + 1), joined=True) for n, name in enumerate(names))
    record = PoolRecord(_address(region, 200), NODES, nodes)
    wish = PoolWish("bench", f"r{region}", NODES, "1c1g")
    views = {told.name: NodeView(told.name, told.answers, told.ready, told.front) for told in reports}
    pool = plan_pool(wish, record, machines, _NETWORK, "ours", views)
    seen = [View(told.name, "running" if told.answers else "gone", told.answers, told.ready) for told in reports]
    votes = {name: {CONTROLLER: name != names[0], **dict.fromkeys(names[1:], name != names[0])} for name in names}
    sick = History({names[0]: Sighting("dead", _NOW - 60)})
    healing = plan_healing(seen, votes, sick, HealSpec(), _NOW)
    decision = plan_autoscale(_SETTINGS, history, _NOW, State(NODES, NODES))
    base = Aim("bench", f"r{region}", {}, kept=Kept({("hello", "v1-aa"): _RELEASE}, {"hello": "v1-aa"}))
    goal = goal_of({"hello": _RELEASE}, base, reports, {})
    known = {told.name: told for told in reports}
    plan = plan_region(f"r{region}", pool, known, dict.fromkeys(names, "k"), goal)
    return len(plan.actions) + len(healing.actions) + decision.changes


def _main() -> None:
    machines, observed = _machines(), [_reports(region) for region in range(REGIONS)]
    histories = [
        [Sample(_NOW - 5 * age, NODES, cpu=70.0 + age % 7, p95=120.0) for age in range(_SAMPLES, 0, -1)]
        for _ in range(REGIONS)
    ]
    start = time.process_time()
    survey = Survey(machines)
    todo = sum(_plan(region, survey, observed[region], histories[region]) for region in range(REGIONS))
    seconds = time.process_time() - start
    if todo < REGIONS:
        sys.exit("nothing was planned: this measures nothing")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps({"seconds": seconds, "memory_mb": memory, "actions": todo}))


if __name__ == "__main__":
    _main()
