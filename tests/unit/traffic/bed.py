"""Regions, records and health in few words, for the tests of the planner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from du_infra.health.state import Standing
from du_infra.traffic.aim import Aim, Settings
from du_infra.traffic.capacity import Load
from du_infra.traffic.memory import Memory
from du_infra.traffic.plan import Facts, Plan, plan_traffic
from du_infra.traffic.seen import Seen
from du_infra.traffic.state import Endpoint, Record

NAME = "www.example.com"
UP = Standing("up", 0.0, known=True, why="up by 3 of 3")
DOWN = Standing("down", 0.0, known=True, why="down by 2 of 3 (du-infra: no answer) for 4 s")
UNSURE = Standing("up", 0.0, known=False, why="no majority")
IDLE = Load(rps=10, busy=0.1, cpus=4)
SETTINGS = Settings(min_requests=0)


def address(name: str) -> str:
    return f"198.18.0.{sum(name.encode()) % 250}"


def record(weights: Mapping[str, int], down: Iterable[str] = (), ttl: int = 30) -> Record:
    return Record(
        NAME, ttl, {name: Endpoint(address(name), weight, name not in down) for name, weight in weights.items()}
    )


def aim(weights: Mapping[str, int], drained: Iterable[str] = ()) -> Aim:
    return Aim(NAME, 30, weights, {name: address(name) for name in weights}, frozenset(drained))


class World:
    """DNS, health and the gateways, and a planner that is asked every two seconds."""

    def __init__(self, weights: Mapping[str, int], settings: Settings = SETTINGS) -> None:
        self.aim = aim(weights)
        self.record: Record | None = None
        self.memory: Memory | None = None
        self.settings = settings
        self.now = 10_000.0
        self.health: dict[str, Standing] = dict.fromkeys(weights, UP)
        self.loads: dict[str, Load] = dict.fromkeys(weights, IDLE)
        self.seen: Seen | None = None
        self.written: list[tuple[float, Record]] = []

    def ask(self) -> Plan:
        facts = Facts(self.record, self.health, self.loads, self.seen)
        return plan_traffic(self.aim, facts, self.memory, self.settings, self.now)

    def turn(self, seconds: float = 2.0) -> Plan:
        """One pass; the clock goes on after it."""
        plan = self.ask()
        self.memory = plan.memory
        if plan.record is not None:
            self.record = plan.record
            self.written.append((self.now, plan.record))
        self.now += seconds
        return plan

    def run(self, seconds: float) -> list[Plan]:
        """The passes of some time that changed something."""
        end, found = self.now + seconds, []
        while self.now < end:
            plan = self.turn()
            found += [plan] if plan.record is not None else []
        return found

    def answers(self) -> dict[str, int]:
        """Whom answers have, in percent."""
        assert self.record is not None
        return {name: round(100 * share) for name, share in self.record.shares().items() if share}

    def see(self, shares: Mapping[str, float], requests: int = 10_000) -> None:
        """What the gateways have counted since DNS last changed and settled."""
        assert self.memory is not None
        counts = {name: round(share * requests) for name, share in shares.items()}
        self.seen = Seen(self.memory.changed + self.settings.settle, counts)
