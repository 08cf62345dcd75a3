"""What the loop does is seen as it is, and whatever goes wrong in seeing harms no pass."""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from du_infra.control import watching
from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision
from du_infra.control.heal import Look, votes_of
from du_infra.control.loop import ControlLoop
from du_infra.control.watching import Eyes
from du_infra.errors import Busy, EngineFailed
from du_infra.health.heal import Healing, Sighting, View
from du_infra.health.state import NodeReport
from du_infra.notify.hook import Rules
from du_infra.notify.sender import Sender
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, silent
from du_infra.release.state import Rollout
from du_infra.seeing.board import Board
from du_infra.seeing.http import Limits
from du_infra.seeing.state import NodeStanding
from du_infra.spec import load_spec
from du_infra.store.seeing import Stored
from tests.unit.notify.receiver import Receiver, receiving, wait_for
from tests.unit.seeing.bed import ask, shown

FLEET = """fleet: demo
regions:
  home: {provider: lxd, pool: {nodes: 2}}
services:
  hello: {image: registry.local:5000/hello, port: 8080}
"""
NOTIFY = "notify:\n  ops: {url: {file: hook}, kinds: [release]}\n"


@pytest.fixture
def context(tmp_path: Path) -> RegionContext:
    return made(tmp_path, FLEET)


def made(folder: Path, text: str) -> RegionContext:
    (folder / "fleet.yaml").write_text(text)
    (folder / ".du").mkdir(exist_ok=True)
    return RegionContext(load_spec(folder / "fleet.yaml"), "home", folder)


def told(name: str, **more: Any) -> NodeReport:
    load = {"cpu_percent": 30.0, "memory_percent": 40.0, "rps": 5.0}
    services = ({"name": "hello", "slot": "blue", "release": "v1-1", "ready": True},)
    return NodeReport(
        **{"name": name, "address": "198.18.1.2", "ready": True, "load": load, "services": services, **more}
    )


def look(*reports: NodeReport, **views: Any) -> Look:
    nodes = tuple(Node(one.name, "1c1g", one.address, joined=True) for one in reports)
    seen = tuple(
        View(one.name, reachable=one.reachable, serving=one.takes_requests, **views.get(one.name.replace("-", "_"), {}))
        for one in reports
    )
    return Look(PoolRecord("198.18.1.1", 2, nodes), reports, seen, votes_of(seen, reports))


def eyes(context: RegionContext, sender: Sender | None = None) -> Eyes:
    found = Eyes(Board(), sender)
    found.minded({context.name: context}, {context.name}, "")
    return found


def standings(found: Eyes) -> list[NodeStanding]:
    return [node.standing for node in found.board.snapshot().regions["home"].nodes]


def test_a_region_that_is_well_is_shown_as_ready(context: RegionContext) -> None:
    found = eyes(context)
    found.saw(context, look(told("a-1", front=True), told("a-2")), Healing())
    region = found.board.snapshot().regions["home"]
    assert (region.status.ready, region.up, region.wanted) == (True, True, 2)
    assert standings(found) == ["serving", "serving"]
    assert region.measured is not None and region.measured.cpu == 30.0
    assert region.status.services[0].release == "v1-1"
    assert found.board.snapshot().errors == 0


@pytest.mark.parametrize(
    ("report", "view", "sighting", "standing"),
    [
        ({}, {}, None, "serving"),
        ({"draining": True}, {}, None, "drained"),
        ({"ready": False}, {}, None, "unready"),
        ({"ready": False}, {}, Sighting("sick", 0.0), "sick"),
        ({"reachable": False}, {}, None, "silent"),
        ({"reachable": False}, {"machine": "stopped"}, Sighting("dead", 0.0), "dead"),
        ({"reachable": False}, {"machine": "gone"}, None, "gone"),
        ({"reachable": False}, {"joined": False}, None, "joining"),
        ({}, {"going": True}, None, "leaving"),
    ],
)
def test_a_node_stands_in_one_of_nine_ways(
    context: RegionContext, report: Any, view: Any, sighting: Sighting | None, standing: NodeStanding
) -> None:
    found = eyes(context)
    plan = Healing(sightings={"a-2": sighting} if sighting else {})
    found.saw(context, look(told("a-1", front=True), told("a-2", **report), a_2=view), plan)
    assert standings(found)[1] == standing


def test_an_address_that_no_node_holds_makes_a_region_not_ready(context: RegionContext) -> None:
    found = eyes(context)
    found.saw(context, look(told("a-1"), told("a-2")), Healing())
    status = found.board.snapshot().regions["home"].status
    assert (status.ready, status.why) == (False, ("VIP 198.18.1.1: no node says that it holds it",))
    found.saw(context, look(told("a-1", front=True, draining=True), told("a-2")), Healing())
    assert found.board.snapshot().regions["home"].status.why == ("VIP 198.18.1.1: a-1 holds it and takes no requests",)


def test_a_region_that_is_not_up_is_shown_as_that(context: RegionContext) -> None:
    found = eyes(context)
    found.saw(context, Look(), Healing())
    region = found.board.snapshot().regions["home"]
    assert (region.up, region.status.ready, region.wanted) == (False, False, 0)


def test_what_is_done_is_shown_while_it_is_done_and_passed_on(context: RegionContext) -> None:
    found, heard = eyes(context), []
    found.began("home")
    found.listening("home", heard.append)(Event("stage", "machines", "terraform apply"))
    life = found.board.snapshot().lives["home"]
    assert (life.doing, life.running is not None) == ("machines: terraform apply", True)
    assert len(heard) == 1
    found.ended("home", None)
    life = found.board.snapshot().lives["home"]
    assert (life.doing, life.running, life.done) == ("", None, 1)


def test_how_a_pass_ended_is_counted(context: RegionContext) -> None:
    found = eyes(context)
    for error in (None, Busy("process 7 is at work"), EngineFailed("no room", where="LXD")):
        found.began("home")
        found.ended("home", error)
    life = found.board.snapshot().lives["home"]
    assert (life.done, life.busy, life.failed, life.error) == (1, 1, 1, "LXD: no room")


def test_a_loop_that_cannot_be_seen_goes_on_and_it_is_counted(context: RegionContext, monkeypatch: Any) -> None:
    def broken(*given: Any) -> Any:
        raise RuntimeError("the disk is full")

    found = eyes(context)
    monkeypatch.setattr("du_infra.store.seeing.Seeing.of", broken)
    found.saw(context, look(told("a-1")), Healing())
    found.scaled("home", None)  # type: ignore[arg-type]
    found.told(None)  # type: ignore[arg-type]
    monkeypatch.setattr(found.board, "doing", broken)
    found.listening("home", silent)(Event("stage", "machines"))
    assert found.board.snapshot().errors == 4


def test_the_store_is_read_the_less_often_the_more_regions_there_are(
    context: RegionContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    monkeypatch.setattr("du_infra.store.seeing.Seeing.of", lambda self, region: read.append(region) or Stored())
    found = eyes(context)
    monkeypatch.setattr(watching, "_READS", 1 / 180)
    many = {**{f"r{number}": context for number in range(20)}, "home": context}
    found.minded(many, many.keys(), "")
    for _ in range(3):
        found.saw(context, look(told("a-1")), Healing())
    assert read == ["home"]
    unseen = Eyes(Board(), shown=False)
    unseen.saw(context, look(told("a-1")), Healing())
    assert read == ["home"] and unseen.board.snapshot().regions == {}


def test_a_real_loop_fills_the_board_and_says_what_is_wrong_with_its_file(context: RegionContext) -> None:
    board, stop, said = Board(interval=0.1), threading.Event(), []
    loop = ControlLoop(context.folder / "fleet.yaml", (), said.append, silent, watcher=Eyes(board))
    thread = threading.Thread(target=loop.run, args=(0.1, stop), daemon=True)
    thread.start()
    try:
        wait_for(lambda: (life := board.snapshot().lives.get("home")) and life.done > 1)
        assert not board.snapshot().regions["home"].up
        (context.folder / "fleet.yaml").write_text(FLEET + "nonsense: 1\n")
        wait_for(lambda: board.snapshot().mistake)
        assert board.snapshot().decisions[0].about == "upkeep"
        (context.folder / "fleet.yaml").write_text(FLEET.replace("home", "away"))
        wait_for(lambda: "away" in board.snapshot().regions and "home" not in board.snapshot().lives)
        assert board.snapshot().mistake == ""
    finally:
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_while_a_pass_hangs_the_page_answers_and_the_other_regions_are_minded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made(tmp_path, FLEET.replace("services:", "  away: {provider: lxd}\nservices:"))
    hanging, stop, board = threading.Event(), threading.Event(), Board(interval=0.1)

    def look(context: RegionContext) -> Look:
        if context.name == "home":
            hanging.wait(120)
        return Look()

    monkeypatch.setattr("du_infra.control.minder.look", look)
    loop = ControlLoop(tmp_path / "fleet.yaml", (), lambda decision: None, silent, watcher=Eyes(board))
    thread = threading.Thread(target=loop.run, args=(0.1, stop), daemon=True)
    thread.start()
    try:
        with shown(board, limits=Limits(read=60, clients=8)) as address:
            slow = [socket.create_connection((address.host, address.port), timeout=60) for _ in range(30)]
            wait_for(lambda: (life := board.snapshot().lives.get("away")) and life.done > 3)
            told = json.loads(ask(address, "/api/status")[2])
            home = next(one for one in told["regions"] if one["name"] == "home")
            assert (home["ready"], home["pass"]["done"]) == (None, 0)
            assert home["pass"]["running_seconds"] > 0
            for one in slow:
                one.close()
    finally:
        hanging.set()
        stop.set()
        thread.join(60)
    assert not thread.is_alive()


def test_a_decision_is_shown_and_told(context: RegionContext) -> None:
    found = eyes(context)
    found.told(Decision("home", "replace", "dead for 31 s", "a-2"))
    (shown,) = found.board.snapshot().decisions
    assert (shown.region, shown.kind, shown.about, shown.node, shown.text) == (
        *("home", "replace", "healing", "a-2"),
        "dead for 31 s",
    )


def test_releases_are_told_once_whoever_looks_and_none_of_the_past(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = made(tmp_path, FLEET + NOTIFY)
    store = context.store
    row = Rollout(0, "home", "hello", "start", "v1-1", "", "ann@desk", {}, time.time())
    store.rollouts.end(store.rollouts.begin(row).id, "done")
    with receiving(Receiver()) as receiver:
        (tmp_path / "hook").write_text(receiver.url)
        (tmp_path / "hook").chmod(0o600)
        watchers = [eyes(context, Sender(silent, rules=Rules(waits=(), limit=10))) for _ in range(2)]
        for each in watchers:
            each.saw(context, Look(), Healing())
        monkeypatch.setattr(watching, "_READS", 1e9)
        for each in watchers:
            each._stored.clear()
        made_row = store.rollouts.begin(replace(row, release="v2-1", previous="v1-1"))
        for each in watchers:
            each.saw(context, Look(), Healing())
        store.rollouts.end(made_row.id, "rolled-back", why="errors")
        late = eyes(context, Sender(silent, rules=Rules(waits=(), limit=10)))
        for each in (late, *watchers):
            each.saw(context, Look(), Healing())
            assert each._sender is not None
            each._sender.close(20)
    events = [body.split(b'"event": "')[1].split(b'"')[0].decode() for _, _, body in receiver.got]
    assert events == ["cut-off", "rolled-back"]
