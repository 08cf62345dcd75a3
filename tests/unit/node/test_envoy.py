"""The driver and a real Envoy on loopback: every kind of table, slots that die, files that Envoy refuses."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from du_node.errors import NodeError
from du_node.gateway import envoy_conf
from du_node.observation.access import parse
from du_node.state import Pair, Route
from du_node.table import Entry, Table, Upstream
from tests.templates import rendered
from tests.unit.node.envoy_bed import Bed, Server, running
from tests.unit.node.test_envoy_conf import TABLES


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running(tmp_path_factory.mktemp("envoy")) as bed:
        yield bed


@pytest.fixture
def slots() -> Iterator[tuple[Server, Server]]:
    blue, green = Server("blue"), Server("green")
    yield blue, green
    blue.stop()
    green.stop()


def side(server: Server) -> Upstream:
    tag = {"blue": "v1", "green": "v2"}[server.name]
    return Upstream(server.name, server.server_port, f"{tag}-abc", tag, "sha256:1")


def hello(primary: Server, *, path: str = "/", host: str = "", name: str = "hello", **more: Any) -> Entry:
    sides: dict[str, Any] = {key: side(value) if isinstance(value, Server) else value for key, value in more.items()}
    return Entry(name, Route(host, path), side(primary), **sides)


@pytest.mark.parametrize("table", TABLES)
def test_envoy_takes_over_every_table_and_proves_it(bed: Bed, table: Table) -> None:
    digest = bed.driver.set_table(table)
    seen = bed.driver.observe()
    assert (seen.running, seen.live, seen.disk) == (True, digest, digest)
    assert seen.pairs == {item.service: item.pair for item in table}


def test_requests_find_their_service_by_host_and_whole_segments_of_the_path(
    bed: Bed, slots: tuple[Server, Server]
) -> None:
    blue, green = slots
    table = (hello(blue, name="a"), hello(green, name="b", path="/api"), hello(green, name="c", host="c.example"))
    bed.driver.set_table(table)
    paths = ("/", "/api", "/api/x", "/apix", "/x/../api/y")
    assert [bed.ask(path)[1]["name"] for path in paths] == ["blue", "green", "green", "blue", "green"]
    assert [bed.ask("/", host=host)[1]["name"] for host in ("c.example", "C.example:80", "d.example")] == [
        "green",
        "green",
        "blue",
    ]
    assert bed.ask("/", port=bed.preview)[0].status == 404
    bed.driver.set_table(table[1:2])
    answer, told = bed.ask("/")
    assert (answer.status, told) == (404, {"error": "no service at this host and path"})


def test_the_service_sees_the_client_as_behind_nginx(bed: Bed, slots: tuple[Server, Server]) -> None:
    bed.driver.set_table((hello(slots[0]),))
    sent = {
        "X-Forwarded-For": "1.2.3.4",
        "X-Forwarded-Proto": "https",
        "X-Request-Id": "mine",
        "x-envoy-retry-on": "5xx",
    }
    answer, told = bed.ask("/p?q=1", host="www.example.com:80", headers=sent)
    assert told["host"] == "www.example.com:80"
    assert told["x-forwarded-for"].replace(" ", "").startswith("1.2.3.4,")
    assert told["x-forwarded-proto"] == "http"
    assert told["x-request-id"] == "mine"
    assert told["path"] == "/p?q=1"
    assert not [name for name in told if name.startswith("x-envoy") or name == "x-du-visitor"]
    assert answer.getheader("X-Du-Release") == "v1-abc"
    assert answer.getheader("x-envoy-upstream-service-time") is None


def test_a_dead_slot_loses_neither_get_nor_post_to_the_one_that_steps_in(
    bed: Bed, slots: tuple[Server, Server]
) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue, backup=green),))
    assert bed.ask()[1]["name"] == "blue"
    blue.stop()
    found = [bed.ask(method=method, body=b"x" * (1 << 20)) for method in ("POST", "GET", "POST", "PUT")]
    assert [(answer.status, told["name"], told["size"]) for answer, told in found] == [(200, "green", 1 << 20)] * 4
    assert {answer.getheader("X-Du-Release") for answer, _ in found} == {"v2-abc"}
    attempts = [attempt for line in bed.log() for attempt in parse(line)[1] if attempt.port == blue.server_port]
    assert [attempt.failed for attempt in attempts] == [False] + [True] * 4


def test_with_both_slots_dead_the_answer_is_502(bed: Bed, slots: tuple[Server, Server]) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue, backup=green),))
    blue.stop()
    green.stop()
    answer, told = bed.ask()
    assert (answer.status, told) == (502, {"error": "the service does not answer"})


def test_before_the_first_release_the_answer_is_503_and_says_so(bed: Bed) -> None:
    routes = Path(bed.driver.routes)
    fresh = routes.with_name("fresh")
    fresh.write_text(rendered("envoy", "routes.json.j2"))
    fresh.replace(routes)
    deadline = time.monotonic() + 5
    while (found := bed.ask("/readyz"))[1].get("why") != "nothing has been released on this node yet":
        assert time.monotonic() < deadline, found
    assert found[0].status == bed.ask("/")[0].status == 503
    assert bed.driver.observe().disk == ""


def test_an_error_of_the_service_is_handed_on_and_written_down(bed: Bed, slots: tuple[Server, Server]) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue, backup=green),))
    assert [bed.ask(headers={"X-Answer": status})[0].status for status in ("500", "503", "404")] == [500, 503, 404]
    attempts = [attempt for line in bed.log() for attempt in parse(line)[1]]
    assert [(a.status, a.failed) for a in attempts if a.port == blue.server_port] == [
        (500, True),
        (503, True),
        (404, False),
    ]


def test_a_client_that_gives_up_is_no_failure_of_the_service(bed: Bed, slots: tuple[Server, Server]) -> None:
    bed.driver.set_table((hello(slots[0]),))
    link = HTTPConnection("127.0.0.1", bed.web, timeout=0.2)
    link.request("GET", "/slow")
    with pytest.raises(TimeoutError):
        link.getresponse()
    link.close()
    assert not [a for line in bed.log() for a in parse(line)[1] if a.port == slots[0].server_port]


def test_a_canary_gets_its_share(bed: Bed, slots: tuple[Server, Server]) -> None:
    bed.driver.set_table((hello(slots[0], canary=slots[1], share=25),))
    got = Counter(bed.ask()[1]["name"] for _ in range(400))
    assert 60 <= got["green"] <= 140  # within four standard deviations


def test_a_visitor_stays_where_he_is_and_a_growing_share_takes_nobody_back(
    bed: Bed, slots: tuple[Server, Server]
) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue, canary=green, share=30, sticky=True),))
    visitors = {}
    for _ in range(60):
        answer, told = bed.ask()
        visitors[str(answer.getheader("Set-Cookie")).partition(";")[0]] = told["name"]
    assert {"blue", "green"} == set(visitors.values()) and len(visitors) == 60
    for cookie, name in visitors.items():
        answer, told = bed.ask(method="POST", headers={"Cookie": f"a=b; {cookie}; c=d"})
        assert (told["name"], answer.getheader("Set-Cookie")) == (name, None)
    bed.driver.set_table((hello(blue, canary=green, share=60, sticky=True),))
    now = {cookie: bed.ask(headers={"Cookie": cookie})[1]["name"] for cookie in visitors}
    assert all(now[cookie] == "green" for cookie, name in visitors.items() if name == "green")
    assert "green" in {now[cookie] for cookie, name in visitors.items() if name == "blue"}


def test_a_preview_is_reached_on_its_port_alone(bed: Bed, slots: tuple[Server, Server]) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue, preview=green), hello(blue, name="other", path="/other")))
    assert {bed.ask()[1]["name"] for _ in range(20)} == {"blue"}
    assert [bed.ask(path, port=bed.preview)[1]["name"] for path in ("/", "/other")] == ["green", "blue"]


def test_readyz_says_so_when_du_node_does_not_answer(bed: Bed) -> None:
    bed.driver.set_table(())
    answer, told = bed.ask("/readyz")
    assert (answer.status, told["ready"], told["why"]) == (503, False, "du-node does not answer on this node")


def test_a_body_beyond_the_limit_is_refused(bed: Bed, slots: tuple[Server, Server]) -> None:
    bed.driver.set_table((hello(slots[0]),))
    assert bed.ask(method="POST", headers={"Content-Length": str((100 << 20) + 1)})[0].status == 413


def test_what_envoy_refuses_leaves_the_old_table_and_the_old_file(
    bed: Bed, slots: tuple[Server, Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    blue, green = slots
    digest = bed.driver.set_table((hello(blue),))
    stored = Path(bed.driver.routes).read_text()
    whole = envoy_conf.render
    monkeypatch.setattr(
        envoy_conf, "render", lambda table: (whole(table)[0].replace('"timeout":"0s"', '"timeout":"x"'), "d")
    )
    with pytest.raises(NodeError, match="keeps its old configuration"):
        bed.driver.set_table((hello(green),))
    monkeypatch.undo()
    assert Path(bed.driver.routes).read_text() == stored
    seen = bed.driver.observe()
    assert (seen.live, seen.disk, seen.pairs) == (digest, digest, {"hello": Pair("blue")})
    assert bed.ask()[1]["name"] == "blue"
    bed.driver.set_table((hello(green),))
    assert bed.ask()[1]["name"] == "green"


def test_clusters_that_lack_on_disk_make_the_stored_table_void(bed: Bed, slots: tuple[Server, Server]) -> None:
    bed.driver.set_table((hello(slots[0]),))
    Path(bed.driver.clusters).write_text('{"resources":[]}')  # not renamed: Envoy does not see it
    assert bed.driver.observe().disk == ""
    bed.driver.set_table((hello(slots[0]),))
    assert bed.driver.observe().disk


def test_an_envoy_that_is_slow_to_answer_is_not_taken_for_dead(bed: Bed) -> None:
    bed.driver.set_table(())
    bed.process.send_signal(signal.SIGSTOP)
    try:
        _wait_until_stopped(bed.process.pid)
        seen = bed.driver.observe()
        threading.Timer(0.5, bed.process.send_signal, (signal.SIGCONT,)).start()
        digest = bed.driver.set_table(TABLES[1])
    finally:
        bed.process.send_signal(signal.SIGCONT)
    assert (seen.running, seen.live) == (True, "")
    assert bed.driver.observe().live == digest


def _wait_until_stopped(pid: int) -> None:
    """A signal takes its time to reach every thread."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        threads = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
        if set(threads) == {"T"}:
            return
        time.sleep(0.01)
    raise AssertionError(f"not stopped: {threads}")


def test_no_request_is_lost_while_tables_change(bed: Bed, slots: tuple[Server, Server]) -> None:
    blue, green = slots
    bed.driver.set_table((hello(blue),))
    stop, lost, ok = threading.Event(), Counter[str](), Counter[str]()

    def client(number: int) -> None:
        link = HTTPConnection("127.0.0.1", bed.web, timeout=10)
        while not stop.is_set():
            try:
                link.request("POST" if number % 2 else "GET", "/", b"x" * 100 if number % 2 else None)
                answer = link.getresponse()
                answer.read()
                (ok if answer.status == 200 else lost)[str(answer.getheader("X-Du-Release"))] += 1
            except (OSError, HTTPException) as trouble:
                lost[type(trouble).__name__] += 1
                link.close()
            if number % 4 < 2:
                link.close()

    clients = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in clients:
        thread.start()
    for n in range(20):
        new, old = (green, blue) if n % 2 == 0 else (blue, green)
        bed.driver.set_table((hello(old, canary=new, share=50),))
        bed.driver.set_table((hello(new, backup=old),))
        bed.driver.set_table((hello(new),))
    stop.set()
    for thread in clients:
        thread.join()
    assert not lost
    assert ok["v1-abc"] > 50 and ok["v2-abc"] > 50
