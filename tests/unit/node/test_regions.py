"""A node as an observer of other regions, over real sockets on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_node import counted, files, outlook, places, regions, serve
from du_node.loop import Loop
from du_node.outlook import Outlook, take
from du_node.outlook_told import outlook_told
from du_node.regions import Regions, told

READY = {"ready": True, "fleet": "demo", "region": "b", "node": "demo-b-1", "releases": {"hello": {"release": "v1-aa"}}}


class Region:
    """A region's address: answers ``said`` with ``status``; says nothing where ``said`` is None."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.link = socket.create_server((address, port))
        self.port = self.link.getsockname()[1]
        self.address = address
        self.said: Any = READY
        self.status = 200
        self.asked: list[float] = []
        self._kept: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self.link.accept()
            except OSError:
                return
            self.asked.append(time.monotonic())
            self._kept.append(link)
            if self.said is None:
                continue
            link.recv(4096)
            body = (self.said if isinstance(self.said, str) else json.dumps(self.said)).encode()
            link.sendall(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (self.status, len(body), body))
            link.close()

    def stop(self) -> None:
        self.link.shutdown(socket.SHUT_RDWR)
        self.link.close()
        for link in self._kept:
            link.close()


@pytest.fixture
def region() -> Iterator[Region]:
    made = Region("127.0.0.1")
    yield made
    made.stop()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("REGIONS", "REGIONS_SEEN", "COUNTED", "WANTED", "DRAINED"):
        monkeypatch.setattr(places, name, str(tmp_path / name.lower()))
    monkeypatch.setattr(places, "ACCESS_LOG", str(tmp_path / "access.log"))
    return tmp_path


def run(asker: Regions, loop: Loop, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        asker.ask()
        loop.run_until(min(until, asker.next_due, time.monotonic() + 0.02))


def test_a_region_is_asked_every_so_often_and_what_it_told_is_kept(region: Region) -> None:
    loop = Loop()
    asker = Regions(loop, region.port)
    asker.know([("b", "127.0.0.1")], 0.3)
    assert asker.sights == []
    run(asker, loop, 1.0)
    assert 3 <= len(region.asked) <= 5
    (seen,) = asker.sights
    assert (seen.name, seen.why) == ("b", "")
    assert seen.said is not None
    assert seen.said["releases"] == {"hello": {"release": "v1-aa"}}
    assert 0 <= regions.clock() - seen.at < 0.5


def test_one_that_is_not_ready_says_why_and_one_that_is_no_region_is_none(region: Region) -> None:
    loop = Loop()
    asker = Regions(loop, region.port)
    asker.know([("b", "127.0.0.1")], 0.05)
    region.status, region.said = 503, {"ready": False, "why": "not deployed: hello"}
    run(asker, loop, 0.3)
    assert asker.sights[0].said == {
        "ready": False,
        "fleet": "",
        "region": "",
        "releases": {},
        "why": "not deployed: hello",
    }
    region.status, region.said = 404, "nothing here"
    run(asker, loop, 0.3)
    assert (asker.sights[0].said, asker.sights[0].why) == (None, "something else answers there (status 404)")


def test_one_that_says_nothing_costs_little_time_and_holds_up_nobody(region: Region) -> None:
    other = Region("127.0.0.2", region.port)
    loop = Loop()
    asker = Regions(loop, region.port)
    region.said = None
    asker.know([("a", "127.0.0.1"), ("b", "127.0.0.2"), ("c", "127.0.0.3")], 0.4)
    run(asker, loop, 2.4)
    other.stop()
    seen = {one.name: one for one in asker.sights}
    assert seen["a"].why == "does not answer within 1.5 s"
    assert seen["b"].said is not None
    assert seen["c"].why == "refuses connections"
    assert len(other.asked) >= 4


def test_they_are_not_all_asked_at_the_same_moment_and_never_in_step(region: Region) -> None:
    loop = Loop()
    asker = Regions(loop, region.port)
    asker.know([(f"r{number}", "127.0.0.1") for number in range(4)], 0.4)
    run(asker, loop, 0.2)
    assert 1 <= len(region.asked) <= 3
    run(asker, loop, 1.5)
    gaps = {round(later - before, 2) for before, later in zip(region.asked, region.asked[4:], strict=False)}
    assert len(gaps) > 1


def test_who_is_watched_no_more_is_asked_no_more(region: Region) -> None:
    loop = Loop()
    asker = Regions(loop, region.port)
    asker.know([("b", "127.0.0.1")], 0.1)
    run(asker, loop, 0.2)
    asker.know([], 0.1)
    run(asker, loop, 0.1)
    asked = len(region.asked)
    run(asker, loop, 0.4)
    assert (len(region.asked), asker.sights) == (asked, [])


@pytest.mark.parametrize("body", ["", "nothing", "[]", "{}", '{"ready": "yes"}', "[" * 5000])
def test_what_is_no_word_of_a_region_is_none(body: str) -> None:
    assert told(body) is None


def test_others_words_take_no_more_room_than_they_need() -> None:
    releases = {f"s{number}": {"release": "v" * 5000, "slot": "blue"} for number in range(500)}
    found = told(json.dumps({"ready": True, "why": "x" * 5000, "releases": releases, "more": ["x"] * 5000}))
    assert found is not None
    assert len(json.dumps(found)) < 40_000
    assert told('{"ready": true, "releases": {"a": 7, "b": {"release": null}}}') is not None
    assert told('{"ready": true, "releases": [7]}') is not None


def test_whoever_asks_says_what_is_to_be_watched_and_it_is_over_when_nobody_asks(
    region: Region, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop()
    watching = Outlook(loop)
    watching._regions = Regions(loop, region.port)
    assert outlook_told("")["regions"] == []
    order = {"interval": 0.5, "regions": [{"name": "b", "address": "127.0.0.1"}]}
    assert outlook_told(json.dumps(order))["regions"] == []
    watching.look(files.read_json(places.REGIONS))
    _serve(watching, loop, 0.4)
    (row,) = outlook_told("")["regions"]
    assert (row["name"], row["said"]["ready"], row["why"]) == ("b", True, "")
    assert 0 <= row["age_s"] < 0.5
    now = regions.clock()
    monkeypatch.setattr(outlook, "clock", lambda: now + 61)
    assert outlook_told("")["regions"][0]["age_s"] >= 60
    watching.look(files.read_json(places.REGIONS))
    asked = len(region.asked)
    _serve(watching, loop, 0.6)
    assert len(region.asked) == asked


def test_who_waits_for_news_hears_at_once_when_a_region_falls_and_else_when_the_time_is_over(folder: Path) -> None:
    order = json.dumps({"interval": 2, "regions": [{"name": "b", "address": "127.0.0.1"}], "wait": 0.5})
    row = {"name": "b", "address": "127.0.0.1", "at": regions.clock(), "said": told(json.dumps(READY)), "why": ""}
    outlook.keep(places.REGIONS_SEEN, {"seen": [row]})
    assert 0.5 <= outlook_told(order)["waited_s"] < 2
    fallen = {**row, "said": None, "why": "refuses connections"}
    threading.Timer(0.3, outlook.keep, (places.REGIONS_SEEN, {"seen": [fallen]})).start()
    found = outlook_told(order.replace("0.5", "30"))
    assert found["waited_s"] < 10
    assert found["regions"][0]["why"] == "refuses connections"


def test_news_that_came_between_two_questions_are_told_without_waiting(folder: Path) -> None:
    order = {"interval": 2, "regions": [{"name": "b", "address": "127.0.0.1"}], "wait": 30}
    row = {"name": "b", "address": "127.0.0.1", "at": regions.clock(), "said": None, "why": "refuses connections"}
    outlook.keep(places.REGIONS_SEEN, {"seen": [row]})
    first = outlook_told(json.dumps({**order, "wait": 0}))
    outlook.keep(places.REGIONS_SEEN, {"seen": [{**row, "at": row["at"] + 1}]})
    same = outlook_told(json.dumps({**order, "wait": 0.3, "knows": first["mark"]}))
    assert (same["mark"], same["waited_s"] >= 0.3) == (first["mark"], True)
    outlook.keep(places.REGIONS_SEEN, {"seen": [{**row, "why": "does not answer within 1.5 s"}]})
    found = outlook_told(json.dumps({**order, "knows": first["mark"]}))
    assert found["waited_s"] == 0
    assert found["mark"] != first["mark"]


def test_what_was_seen_of_a_region_that_is_watched_no_more_is_not_told(folder: Path) -> None:
    row = {"name": "b", "address": "127.0.0.1", "at": regions.clock() - 5, "said": None, "why": "no"}
    outlook.keep(places.REGIONS_SEEN, {"seen": [row]})
    take(json.dumps({"interval": 2, "regions": [{"name": "b", "address": "127.0.0.1"}]}))
    assert [one["age_s"] >= 5 for one in outlook.seen(files.read_json)] == [True]
    take(json.dumps({"interval": 2, "regions": [{"name": "b", "address": "127.0.0.9"}]}))
    assert outlook.seen(files.read_json) == []


@pytest.mark.parametrize(
    "order",
    [
        "[]",
        "nothing",
        '{"interval": 2}',
        '{"interval": "x", "regions": []}',
        '{"interval": 2, "regions": [{"name": "b", "address": "example.com"}]}',
    ],
)
def test_a_list_that_is_none_is_refused_and_the_one_of_before_holds(order: str, folder: Path) -> None:
    take('{"interval": 2, "regions": []}')
    before = Path(places.REGIONS).read_text()
    with pytest.raises(ValueError):
        take(order)
    assert Path(places.REGIONS).read_text() == before


def test_requests_are_counted_on_and_on_whoever_asks(folder: Path) -> None:
    log = folder / "access.log"
    line = "1700000000.000 hello 127.0.0.1:20001 200 0.01 200\n"
    peers = "1700000000.000 hello 198.18.0.2:8082 200 0.01 200\n"
    log.write_text(line)
    first = outlook_told("")["requests"]
    assert first["count"] == 0
    log.write_text(line + line + peers + line + line[:20])
    assert outlook_told("")["requests"] == {"id": first["id"], "count": 2}
    assert outlook_told("")["requests"]["count"] == 2
    log.write_text(line + line + peers + line + line)
    assert outlook_told("")["requests"]["count"] == 3


def test_requests_are_counted_across_a_log_that_is_moved_aside_and_anew_where_one_is_lost(folder: Path) -> None:
    log, line = folder / "access.log", "1700000000.000 hello 127.0.0.1:20001 200 0.01 200\n"
    log.write_text(line * 4)
    kept = counted.counted({})
    (folder / "access.log.1").write_text(line * 6)
    log.write_text(line * 3)
    again = counted.counted(kept)
    assert (again["id"], again["count"]) == (kept["id"], 5)
    (folder / "access.log.1").write_text("")
    log.write_text(line)
    assert counted.counted(again)["id"] != kept["id"]


def _serve(watching: Outlook, loop: Loop, seconds: float) -> None:
    """As serve does it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        watching.ask()
        loop.run_until(min(until, watching.next_due, time.monotonic() + 0.02))
        watching.note()


def test_serve_watches_regions_beside_everything_else(
    region: Region, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "_SOCKET", str(folder / "s"))
    for name in ("RUN", "LOCK", "PEERS", "SEEN", "HANDOVER", "VIP_AWAY", "RESULT", "SETTINGS"):
        monkeypatch.setattr(places, name, str(folder / name.lower()))
    take(json.dumps({"interval": 0.5, "regions": [{"name": "b", "address": "127.0.0.1"}]}))
    server = serve.Server()
    server._outlook._regions = Regions(server._loop, region.port)
    server._look()
    server._rest(time.monotonic() + 1.3)
    assert 2 <= len(region.asked) <= 4
    assert outlook.seen(files.read_json)[0]["said"] is not None
