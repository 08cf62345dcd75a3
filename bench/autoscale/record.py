"""A real region under a load that comes and goes: what was asked, how many nodes it had, what was decided and why."""

from __future__ import annotations

import json
import secrets
import select
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import du_infra
from du_infra.errors import DuError
from du_infra.fleet import Region

_RPS = 30
_FLEET = """\
fleet: {fleet}
regions:
  home:
    provider: lxd
    pool: {{min: 1, max: 3, autoscale: {{rps: {rps}, up_after: 30s, down_after: 1m, cooldown: 30s}}}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080, release: {{observe: 1s}}}}
"""
_SHAPE = ((0.0, 10.0), (40.0, 80.0), (300.0, 10.0))
"""From which second on how many requests a second."""
_SECONDS = 690.0
_EVERY = 10.0
_CLIENTS = 16


@dataclass
class _Clients:
    """Threads that ask at a pace together; a request that waits for its turn too long is not made up for."""

    address: str
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    due: float = 0.0
    times: list[float] = field(default_factory=list)
    failed: list[dict[str, Any]] = field(default_factory=list)

    def turn(self) -> float:
        """When the next request is due."""
        with self.lock:
            now = time.monotonic()
            rate = next(rate for start, rate in reversed(_SHAPE) if now - self.began >= start)
            self.due = max(self.due + 1 / rate, now - 1.0)
            return self.due

    def ask(self) -> None:
        """One client, until it is over."""
        link = HTTPConnection(self.address, 80, timeout=10)
        while not self.over.wait(max(0.0, self.turn() - time.monotonic())):
            start = time.monotonic()
            if link.sock and select.select([link.sock], [], [], 0)[0]:
                link.close()  # the other side has closed it while nothing was asked: clients look before they send
            try:
                link.request("GET", "/")
                answer = link.getresponse()
                answer.read()
                told = "" if answer.status == 200 else f"status {answer.status}"
            except (OSError, HTTPException) as trouble:
                told = type(trouble).__name__
                link.close()
            with self.lock:
                self.times.append(time.monotonic() - start)
                if told:
                    self.failed.append({"second": round(start - self.began), "what": told})

    def take(self) -> list[float]:
        """How long answers took since the last call, in seconds."""
        with self.lock:
            found, self.times = self.times, []
        return sorted(found)


def run(path: Path) -> None:
    """Bring a region up, load it for 11 minutes, and write what happened to ``path``."""
    with _region() as region:
        clients = _Clients(region.up().vip)
        threads = [threading.Thread(target=clients.ask) for _ in range(_CLIENTS)]
        for thread in threads:
            thread.start()
        changes: list[dict[str, Any]] = []
        scaler = threading.Thread(target=_scale, args=(region, clients, changes))
        scaler.start()
        points = list(_points(region, clients))
        clients.over.set()
        for thread in (*threads, scaler):
            thread.join()
    title = f"One to three LXD nodes, target {_RPS} requests a second and node"
    told = {"title": title, "rps_target": _RPS, "failed": clients.failed, "changes": changes, "points": points}
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _scale(region: Region, clients: _Clients, changes: list[dict[str, Any]]) -> None:
    while not clients.over.wait(_EVERY):
        second = round(time.monotonic() - clients.began)
        try:
            found = region.autoscale()
        except DuError as trouble:
            changes.append({"second": second, "words": str(trouble)})
            continue
        if found.decision.changes:
            took = round(time.monotonic() - clients.began) - second
            changes.append({"second": second, "words": str(found.decision), "took": took})


def _points(region: Region, clients: _Clients) -> Iterator[dict[str, Any]]:
    last = clients.began
    while last - clients.began < _SECONDS:
        time.sleep(_EVERY)
        now, times = time.monotonic(), clients.take()
        status = region.status()
        p95 = round(1000 * times[int(len(times) * 0.95)], 1) if times else None
        yield {
            "second": round(now - clients.began),
            "asked": round(len(times) / (now - last), 1),
            "nodes": len(status.nodes),
            "serving": sum(node.ready for node in status.nodes),
            "p95": p95,
        }
        last = now


@contextmanager
def _region() -> Iterator[Region]:
    """A region that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "fleet.yaml"
        file.write_text(_FLEET.format(fleet=f"b{secrets.token_hex(3)}", rps=_RPS), encoding="utf-8")
        region = du_infra.load(file).region("home")
        try:
            yield region
        finally:
            region.down()
