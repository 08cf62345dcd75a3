"""A fleet of regions that only seem to be there, a name that only seems to be served, and a clock to turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control.traffic import dns, look, servers, turn
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.look import View
from du_infra.control.traffic.sightings import Board, NodeWord, Sighting
from du_infra.control.traffic.turn import Desk
from du_infra.control.traffic.watcher import Watcher
from du_infra.errors import Busy
from du_infra.health.heal import CONTROLLER
from du_infra.health.observers import watched_by
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent
from du_infra.spec import load_spec
from du_infra.traffic.state import Capabilities, Record
from du_infra.traffic.verdict import Verdict

NAME = "www.example.com"
FLEET = """
fleet: demo
regions:
  a: {provider: lxd}
  b: {provider: lxd}
  c: {provider: lxd}
services:
  hello: {image: registry.local:5000/hello, tag: v1, port: 8080}
traffic:
  zone: example.com
  record: www
  min_requests: 0
"""


class Killed(BaseException):
    """As if the process were no more: nothing of ours catches it."""


class FakeDns:
    """A backend that keeps a record in memory, compares before it writes, and counts."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.writes: list[Record] = []
        self.broken: Exception | None = None
        self.answers: Record | None = None

    def capabilities(self) -> Capabilities:
        return Capabilities(weights=True, health=False, atomic=True, min_ttl=1)

    def read(self) -> Record | None:
        if self.broken:
            raise self.broken
        return self.record

    def write(self, wanted: Record, was: Record | None) -> None:
        if self.broken:
            raise self.broken
        if was != self.record:
            raise Busy("somebody else changed the record meanwhile", where=wanted.name)
        self.record = wanted
        self.writes.append(wanted)

    def servers(self) -> Sequence[str]:
        return ["127.0.0.1:53"]

    def verify(self, record: Record, *_: object, **__: object) -> list[Verdict]:
        wrong = self.answers is not None and self.answers != record
        return [Verdict("127.0.0.1:53", not wrong, ("gives out something else",) if wrong else ())]


class World:
    """``sees(observer, region)``: whether an observer finds a region well; None when nothing comes from him."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, text: str = FLEET) -> None:
        self.folder, self.now = folder, 10_000.0
        self.dns = FakeDns()
        self.sees: Callable[[str, str], bool | None] = lambda observer, region: True
        self.load = {"rps": 10.0, "cpu_percent": 5.0}
        self.runs: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self._text = ""
        self.write(text)
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for module in (look, turn, dns):
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(Entrance, "backend", lambda entrance, servers, report: self.dns)
        monkeypatch.setattr(Entrance, "servers", lambda entrance, records: ())
        monkeypatch.setattr(dns.ask, "verify", self.dns.verify)
        monkeypatch.setattr(servers, "_is_ours", lambda address: True)
        (folder / ".du").mkdir(mode=0o700, exist_ok=True)
        for number, name in enumerate(self.entrance().regions, 1):
            self.bring_up(name, number)

    def write(self, text: str) -> None:
        self.file = self.folder / "fleet.yaml"
        self.file.write_text(text)

    def bring_up(self, name: str, number: int) -> None:
        node = Node(f"demo-{name}-1", "1c1g", f"198.18.{number}.2", joined=True)
        self.entrance().store.save_pool(name, PoolRecord(f"198.18.{number}.1", 1, (node,)))

    def entrance(self) -> Entrance:
        """As another process sees it."""
        return Entrance(load_spec(self.file), self.folder)

    def same(self) -> Entrance:
        """The same one as long as fleet.yaml is: a store is not opened, nor a file read, for each look."""
        text = self.file.read_text()
        if text != self._text:
            self._text, self._same = text, self.entrance()
        return self._same

    def desk(self, *, dry_run: bool = False) -> Desk:
        return Desk(self.entrance(), Watcher(lambda *_: []), silent, dry_run=dry_run)

    def board(self, name: str = CONTROLLER) -> Board:
        """What everybody has seen just now."""
        entrance = self.same()
        addresses = entrance.addresses(entrance.records())
        own = {region: one for region, at in addresses.items() if at and (one := self._saw(CONTROLLER, region, at))}
        nodes = {}
        for observer, watched in watched_by(entrance.observers).items():
            saw = {region: one for region in watched if (one := self._saw(observer, region, addresses[region]))}
            nodes[observer] = {
                f"demo-{observer}-1": NodeWord(
                    f"demo-{observer}-1", self.now, saw, self.load, "first", self.counts.get(observer, 0)
                )
            }
        return Board(own, nodes)

    def _saw(self, observer: str, region: str, address: str) -> Sighting | None:
        well = self.sees(observer, region)
        if well is None:
            return None
        said = (
            {"ready": True, "fleet": "demo", "region": region, "why": "", "releases": self._releases(region)}
            if well
            else None
        )
        return Sighting(self.now - 0.5, address, said, "" if well else "does not answer within 1.5 s")

    def _releases(self, region: str) -> dict[str, dict[str, str]]:
        return {"hello": {"release": self.runs[region]}} if region in self.runs else {}

    def dies(self, *dead: str) -> None:
        """From now on nobody hears from these."""
        self.sees = lambda observer, region: None if observer in dead else region not in dead

    def turn(self, desk: Desk, seconds: float = 1.0) -> View:
        view = desk.turn(self.board())
        self.now += seconds
        return view

    def run(self, desk: Desk, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.turn(desk)

    @property
    def live(self) -> str:
        """Whom answers have."""
        return "".join(sorted(self.dns.record.live())) if self.dns.record else ""
