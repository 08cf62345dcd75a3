"""The controllers of the bench, and what can be seen of them from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.postgres import Postgres

_PATIENCE_SECONDS = 900
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """In a second: passes, transactions; cores that the server and one controller used."""

    passes: float
    transactions: float
    connections: int
    server: float
    controller: float


class Crew:
    """Processes by name. Each writes a log of its passes, which is all that is known of them here."""

    def __init__(self, server: Postgres, folder: Path, regions: int, interval: float) -> None:
        self.server = server
        self.all = [f"r{number:04}" for number in range(regions)]
        self._folder = folder
        self._interval = interval
        self._url = server.new()
        self._database = self._url.partition("@/")[2].partition("?")[0]
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._killed: dict[str, float] = {}
        self._memory: list[float] = []

    def __enter__(self) -> Self:
        text = f"fleet: bench\nstate: {self._url}\nstate_password: {{file: {self.server.password_file}}}\nregions:\n"
        text += "".join(f"  {name}: {{provider: lxd}}\n" for name in self.all)
        self._text = text + "services: {}\n"
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def names(self) -> list[str]:
        """Those that live."""
        return sorted(self._processes)

    def begin(self, name: str) -> None:
        """Start one. It has a folder of its own, as on a machine of its own."""
        home = self._folder / name
        home.mkdir()
        (home / "fleet.yaml").write_text(self._text, encoding="utf-8")
        argv = [sys.executable, "-m", "bench.controllers.one", str(home / "fleet.yaml"), name, str(home / "log")]
        with (home / "said").open("wb") as said:
            self._processes[name] = subprocess.Popen([*argv, str(self._interval)], stderr=said)

    def kill(self, name: str) -> None:
        """It has no time for anything."""
        process = self._processes.pop(name)
        self._memory.append(_peak(process.pid))
        process.kill()
        process.wait()
        self._killed[name] = time.monotonic()

    def held(self) -> dict[str, str]:
        """Region → name of its controller, by the store."""
        query = "select s.region, split_part(c.owner, ' ', 2) from shares s join controllers c on c.id = s.controller"
        rows = self.server.sql(query, self._database).splitlines()
        return {region: who for region, _, who in (row.partition("|") for row in rows)}

    def until_there(self, number: int) -> None:
        """Until so many have signed: on a machine that is slow they would hinder one another."""
        query = "select count(*) from controllers"
        self._until(lambda: self._tables() and int(self.server.sql(query, self._database)) >= number)

    def until_shared(self) -> None:
        """Until every living one has its fair share."""
        even = len(self.all) // len(self._processes)
        self._until(lambda: self._even(even))

    def _even(self, even: int) -> bool:
        load = Counter(self.held().values()) if self._tables() else Counter[str]()
        return set(load) == set(self._processes) and sum(load.values()) == len(self.all) and min(load.values()) >= even

    def _tables(self) -> bool:
        return self.server.sql("select to_regclass('shares') is not null", self._database) == "t"

    def regions_of(self, name: str) -> list[str]:
        """What it holds."""
        return [region for region, who in self.held().items() if who == name]

    def settle(self) -> None:
        """Until each region has been minded by whoever holds it now."""
        self.until_minded(self.all, time.monotonic())

    def until_minded(self, regions: Iterable[str], when: float) -> list[float]:
        """For each region how long after ``when`` the first pass over it began, in order."""
        regions = set(regions)
        found: dict[str, float] = {}

        def minded() -> bool:
            for clock, what, region, _ in self._passes():
                if what == "begin" and clock > when and region in regions:
                    found[region] = min(clock, found.get(region, clock))
            return len(found) == len(regions)

        self._until(minded)
        return sorted(clock - when for clock in found.values())

    def load(self, seconds: float) -> Load:
        """What it costs, on the average of this time."""
        before, began = self._counters(), time.monotonic()
        time.sleep(seconds)
        after, took = self._counters(), time.monotonic() - began
        done, transactions, server, controllers = ((new - old) / took for old, new in zip(before, after, strict=True))
        count = "select count(*) from pg_stat_activity where usename = 'du'"
        connections = int(self.server.sql(count))
        return Load(done, transactions, connections, server, controllers / len(self._processes))

    def _counters(self) -> tuple[float, float, float, float]:
        passes = sum(what == "end" for _, what, _, _ in self._passes())
        query = f"select xact_commit + xact_rollback from pg_stat_database where datname = '{self._database}'"  # noqa: S608
        cpu = sum(_cpu(process.pid) for process in self._processes.values())
        return passes, float(self.server.sql(query)), _cpu_of_family(self.server.pid), cpu

    def memory(self) -> float:
        """The most resident memory that any of them had, in MB."""
        return max([*self._memory, *(_peak(process.pid) for process in self._processes.values())])

    def twice(self) -> list[str]:
        """Regions that two controllers were at, at one moment."""
        spans: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
        open_: dict[tuple[str, str], float] = {}
        for clock, what, region, who in self._passes():
            if what == "begin":
                open_[who, region] = clock
            else:
                spans[region].append((open_.pop((who, region)), clock, who))
        for (who, region), clock in open_.items():
            spans[region].append((clock, self._killed.get(who, time.monotonic()), who))
        return [
            region
            for region, found in spans.items()
            for one, two in zip(sorted(found), sorted(found)[1:], strict=False)
            if two[0] < one[1] and one[2] != two[2]
        ]

    def _passes(self) -> list[tuple[float, str, str, str]]:
        """What all logs say, in the order of time; a line that is being written is left for the next look."""
        found = []
        for log in self._folder.glob("*/log"):
            for line in log.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("\n"):
                    clock, what, region = line.split()
                    found.append((float(clock), what, region, log.parent.name))
        return sorted(found)

    def _until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not done():
            if time.monotonic() > deadline:
                raise SystemExit("the controllers did not come to it in time")
            time.sleep(0.5)


def _peak(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


def _cpu(pid: int) -> float:
    """Seconds that a process, and its children that have ended, have used (proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(ticks) for ticks in fields[11:15]) / _TICKS


def _cpu_of_family(pid: int) -> float:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return _cpu(pid) + sum(_cpu(int(child)) for child in children)
