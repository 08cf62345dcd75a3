"""A fleet as the loop may have seen it, on a board; and a server that shows it."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from du_infra.autoscale.state import Sample
from du_infra.health.state import NodeStatus, RegionStatus, ServiceStatus
from du_infra.seeing.board import Board
from du_infra.seeing.http import Limits, Server
from du_infra.seeing.listen import Address, bound, listening
from du_infra.seeing.site import Site
from du_infra.seeing.state import (
    AutoscaleSeen,
    EventSeen,
    HealingSeen,
    HookSeen,
    LeaseSeen,
    NodeSeen,
    RegionSeen,
    ReleaseSeen,
)
from du_infra.seeing.traffic import EntrySeen, TrafficSeen

SURVIVES = "2 nodes take requests, each runs every service: one may be lost, and the VIP moves with it"


def node(name: str, number: int = 2, **more: Any) -> NodeSeen:
    told = {"standing": "serving", "machine": "running", "cpu_percent": 31.4, "memory_percent": 48.0}
    return NodeSeen(**{"name": name, "address": f"198.18.1.{number}", **told, "disk_percent": 12, **more})


def region(name: str, nodes: tuple[NodeSeen, ...] = (), why: tuple[str, ...] = (), **more: Any) -> RegionSeen:
    nodes = nodes or (node(f"demo-{name}-1", front=True), node(f"demo-{name}-2", 3, cpu_percent=27.0))
    states = tuple(NodeStatus(one.name, one.address, one.standing == "serving", 400, 1024, 12) for one in nodes)
    services = tuple(
        ServiceStatus(service, f"http://{service}.example.com/", "blue", f"v{tag}", f"v{tag}", "", not why)
        for service, tag in (("hello", 2), ("shop", 7))
    )
    status = RegionStatus(name, "lxd", "containerd", "nginx", not why, "198.18.1.1", states, services, SURVIVES, why)
    known = {
        "at": time.monotonic(),
        "wanted": len(nodes),
        "nodes": nodes,
        "measured": Sample(time.monotonic(), len(nodes), cpu=29.2, memory=48.0, pressure=0.0, rps=81.5, p95=38.0),
        "healing": HealingSeen(per_hour=3),
    }
    return RegionSeen(status=status, **{**known, **more})


def release(number: int, state: str, **more: Any) -> ReleaseSeen:
    now = time.time()
    known = {"service": "hello", "kind": "start", "release": f"v{number}-460abd46", "previous": "v1-43598896"}
    over = None if state in ("running", "held", "cut-off") else now - 300 * number
    said = {"actor": "ann@desk", "why": "", "started": now - 300 * number - 60, "ended": over}
    return ReleaseSeen(**{"id": number, "state": state, **known, **said, **more})


def sick() -> RegionSeen:
    """A region that has lost a node, and whose release went back."""
    dead = node("demo-fsn-2", 12, standing="dead", machine="stopped", why="its machine is stopped", cpu_percent=None)
    dead = replace(dead, memory_percent=None, disk_percent=None)
    fresh = replace(dead, name="demo-fsn-3", address="198.18.1.13", standing="joining", machine="running")
    fresh = replace(fresh, why="its machine is running")
    nodes = (node("demo-fsn-1", 11, front=True, cpu_percent=93.0), dead, fresh)
    bad = release(3, "rolled-back", why="errors 4.1 % against the old copy's own 0.2 %", service="shop")
    return region(
        "fsn",
        nodes,
        ("demo-fsn-2: its machine is stopped",),
        wanted=2,
        healing=HealingSeen(going_on=1, last_hour=1, per_hour=3),
        releases=(release(4, "running"), bad),
        leases=(LeaseSeen("fsn/hello", "ann@desk (process 7)", "start of hello v4", time.time() - 20, 2.0),),
        events=(EventSeen(time.time() - 40, "loop@desk", "heal", "demo-fsn-2 is replaced: dead for 31 s"),),
    )


def traffic() -> TrafficSeen:
    votes = {"du-infra": True, "demo-nbg-1": True, "demo-home-1": None}
    entries = {
        "home": EntrySeen(50, 0.5, True, "up by 3 of 3", {"du-infra": True, "demo-nbg-1": True}),
        "nbg": EntrySeen(50, 0.5, True, "up by 2 of 3", votes),
        "fsn": EntrySeen(25, 0.0, False, "down by 2 of 3 for 6 s", {**votes, "du-infra": False, "demo-nbg-1": False}),
    }
    return TrafficSeen(time.monotonic(), "www.example.com", entries, ("soak: the last change was 20 s ago",))


def board(*, with_traffic: bool = True) -> Board:
    """Three regions: two that are well, and one in trouble."""
    made = Board(interval=5)
    made.minded("demo", {"home": 120.0, "nbg": 120.0, "fsn": 120.0})
    done = release(2, "done")
    for one in (region("home", releases=(done,)), region("nbg"), sick()):
        made.began(one.name)
        made.saw(one)
        made.ended(one.name, "")
    made.scaled("home", AutoscaleSeen(time.monotonic(), 2, 2, "cpu 29 % against 60 %", {"cpu": 60.0}))
    made.began("fsn")
    made.told("fsn", "replace", "healing", "demo-fsn-2", "dead for 31 s by the word of demo-fsn-1 and du-infra")
    made.doing("fsn", "machines: demo-fsn-3 is made")
    made.told("home", "scale", "autoscale", "", "1 → 2: cpu 90 % against 60 % for 1 minute")
    made.told("home", "done", "autoscale", "", "2 node(s)")
    made.hook("ops", HookSeen(delivered=3, waiting=1, why="it answers 503"))
    if with_traffic:
        made.traffic(traffic())
    return made


@contextmanager
def shown(made: Board, token: str = "", limits: Limits | None = None) -> Iterator[Address]:
    """A real server on loopback that shows the board."""
    socket = listening(Address("127.0.0.1", 0), token)
    server = Server(socket, Site(made, token), limits)
    try:
        yield bound(socket)
    finally:
        server.close()


def ask(
    address: Address, path: str, method: str = "GET", headers: dict[str, str] | None = None, body: bytes | None = None
) -> tuple[int, dict[str, str], str]:
    """Status, headers (small letters) and body of an answer."""
    connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
    finally:
        connection.close()
