"""A world for tests: three regions of one node each, gdnsd on the nodes of two, one name, and whoever minds it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import du_infra
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.tell import ask_node
from du_infra.errors import DuError
from du_infra.pool.state import Node
from du_infra.spec import load_spec
from du_infra.store.traffic import Decided
from du_infra.traffic.order import TrafficOrder
from du_infra.traffic.state import Record
from tests.gtm.load import Load
from tests.region.conftest import DU, Bed, lxc

DNS_HERE = ("ams", "fra")
REGIONS = ("ams", "fra", "nyc")
TTL = 2
FLEET = """fleet: {name}
regions:
  ams: {{provider: lxd, heal: {{enabled: false}}}}
  fra: {{provider: lxd, heal: {{enabled: false}}}}
  nyc: {{provider: lxd, heal: {{enabled: false}}}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080, release: {{observe: 1s}}}}
traffic:
  zone: gtm.example.com
  record: www
  ttl: {ttl}s
  gdnsd: {{regions: [{dns}]}}
  weights: {{{weights}}}
  capacity: {{ams: 10000, fra: 10000, nyc: 10000}}
  per_hour: 1000
  max_shift: 100%
{more}"""

QUICK = "  canary: []\n  soak: 0s\n  hold: 3s\n  min_requests: 0\n"


class Globe:
    """The fleet, its regions, and what is known of them. One whose folder is there already is taken as it is."""

    def __init__(self, folder: Path) -> None:
        self.bed = Bed(folder)
        if self.file.exists():
            self.bed.name = load_spec(self.file).fleet
        else:
            self.write("ams: 34, fra: 33, nyc: 33")

    def write(self, weights: str, more: str = "") -> None:
        """Write its file anew; ``more``: lines of ``traffic:``."""
        dns = ", ".join(DNS_HERE)
        self.bed.write_text(FLEET.format(name=self.bed.name, ttl=TTL, dns=dns, weights=weights, more=more))
        self.__dict__.pop("entrance", None)

    @property
    def file(self) -> Path:
        return self.bed.file

    @cached_property
    def entrance(self) -> Entrance:
        return Entrance(load_spec(self.file), self.file.parent, self.file.name)

    def settle(self, weights: dict[str, int]) -> None:
        """Have these weights answered, whatever was before: at once, and as if somebody had ordered them."""
        self.write(", ".join(f"{name}: {one}" for name, one in weights.items()), QUICK)
        traffic = du_infra.load(self.file).traffic
        traffic.apply()
        traffic.carry_out(TrafficOrder.shift({name: one for name, one in weights.items() if one}))
        deadline = time.monotonic() + 120
        while {name: one.weight for name, one in self.record().endpoints.items()} != weights:
            assert time.monotonic() < deadline, self.record()
            traffic.apply()

    def forget_falls(self) -> None:
        """As if an hour had passed: whoever fell lately is left out for longer each time."""
        traffic = self.entrance.store.traffic
        traffic.see({name: replace(one, falls=()) for name, one in traffic.standings().items()})

    def up(self) -> None:
        fleet = du_infra.load(self.file)
        for name in REGIONS:
            fleet.region(name).up()

    def down(self) -> None:
        fleet = du_infra.load(self.file)
        for name in fleet.spec.regions:
            fleet.region(name).down()
        assert self.bed.instances() == []

    @cached_property
    def addresses(self) -> dict[str, str]:
        """Each region's own address."""
        return self.entrance.addresses(self.entrance.records())

    def node(self, region: str) -> Node:
        """A region's one node."""
        return self.entrance.store.pool(region).nodes[0]

    def on(self, region: str, *argv: str) -> str:
        """Run a command on a region's node."""
        return lxc("exec", self.node(region).name, "--", *argv)

    def load(self, clients: int) -> Load:
        return Load(self.entrance.name, [self.node(name).address for name in DNS_HERE], clients, float(TTL))

    def record(self) -> Record:
        """What was decided last."""
        memory, _ = self.entrance.store.traffic.memory(self.entrance.name)
        assert memory is not None
        return memory.record

    def counts(self) -> dict[str, int]:
        """What each region's gateway has counted."""
        return {name: self._counted(name) for name in REGIONS}

    def _counted(self, name: str) -> int:
        for _ in range(5):
            word = ask_node(self.entrance.regions[name], self.node(name), "")
            if not word.silent:
                return word.count
        raise AssertionError(word.silent)

    def decisions(self, since: float) -> list[Decided]:
        """Every decision since then (unix seconds), the oldest first."""
        found = self.entrance.store.traffic.decisions(self.entrance.name, limit=200)
        return [one for one in reversed(found) if one.time >= since]

    def changes(self, since: float) -> list[str]:
        """What was decided since then, in short: "fail-over nyc"."""
        return [f"{action.kind} {action.region}".strip() for one in self.decisions(since) for action in one.actions]

    def until(self, holds: Callable[[], bool], seconds: float, what: str) -> float:
        """Wait for it; when that was (monotonic)."""
        deadline = time.monotonic() + seconds
        while not _try(holds):
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}; {self.changes(0)[-5:]}"
            time.sleep(0.1)
        return time.monotonic()


class Controller:
    """`du-infra control run`, and what it told: (monotonic, decision). ``group``: of which its sockets are."""

    def __init__(self, globe: Globe, group: int = 0) -> None:
        self.told: list[tuple[float, dict[str, str]]] = []
        self._log = globe.file.parent / "loop.log"
        command = [*DU, "control", "run", "--output", "json", "--fleet", str(globe.file)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True, group=group
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def kill(self) -> None:
        """SIGKILL, and it alone."""
        os.kill(self._process.pid, signal.SIGKILL)
        self._reader.join()
        with self._process:
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.told.append((time.monotonic(), json.loads(line)))

    def said(self, kind: str, since: float = 0.0) -> list[str]:
        """What it told of this kind since then."""
        return [f"{one['region']} {one['text']}" for at, one in list(self.told) if one["kind"] == kind and at >= since]


@contextmanager
def minded(globe: Globe, group: int = 0) -> Iterator[Controller]:
    """A controller for as long as the block lasts."""
    controller = Controller(globe, group)
    try:
        yield controller
    finally:
        if controller._process.poll() is None:
            controller.kill()


def _try(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except (AssertionError, DuError, OSError):  # there is nothing to look at yet
        return False
