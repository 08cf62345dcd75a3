"""Both gateways on a real node, by the same tests: routes, switches under load, canaries, previews, deaths."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator

import pytest

from bench.load.mix import USUAL
from bench.load.runner import Load
from tests.region.du_node_bed import make_node, unmake
from tests.region.gateway_bed import BLUE, GREEN, Gateway, hello

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module", params=["nginx", "envoy"])
def whole(request: pytest.FixtureRequest) -> Iterator[Gateway]:
    node = make_node(request.param)
    try:
        made = Gateway(node)
        made.prepare()
        yield made
    finally:
        unmake(node)


@pytest.fixture
def gateway(whole: Gateway) -> Gateway:
    whole.slots()
    return whole


def test_requests_find_their_service_by_host_and_path(gateway: Gateway) -> None:
    table = (hello(name="a"), hello(GREEN, name="b", path="/api"), hello(GREEN, name="c", host="c.example"))
    (told,) = gateway.set(table)
    seen = gateway.see()
    assert (seen["running"], seen["live"], seen["disk"]) == (True, told["digest"], told["digest"])
    asked = {path: gateway.ask(path).release for path in ("/", "/api", "/api/x", "/apix")}
    assert asked == {"/": "v1-abc", "/api": "v2-def", "/api/x": "v2-def", "/apix": "v1-abc"}
    hosts = {host: gateway.ask(headers={"Host": host}).release for host in ("c.example", "c.example:80", "d.example")}
    assert hosts == {"c.example": "v2-def", "c.example:80": "v2-def", "d.example": "v1-abc"}
    gateway.set((hello(path="/api"),))
    assert gateway.ask("/").status == 404
    assert "no service at this host and path" in gateway.ask("/").text


def test_readyz_is_du_nodes_and_says_so_when_du_node_is_down(gateway: Gateway) -> None:
    gateway.set((hello(path="/api"),))
    answer = gateway.ask("/readyz")
    assert (answer.status, "du-node does not answer" in answer.text) == (503, True)


def test_switches_under_load_lose_nothing_and_cut_no_websocket(gateway: Gateway) -> None:
    gateway.set((hello(),))
    with Load(gateway.node.address, USUAL) as load:
        for new, old in ((GREEN, BLUE), (BLUE, GREEN)) * 3:
            gateway.set((hello(old, canary=new, share=20),), (hello(new, backup=old),), (hello(new),))
            time.sleep(0.5)
    found = load.report
    assert (found.lost, found.cut) == (0, 0), str(found)
    assert found.requests > 200
    assert {"v1-abc", "v2-def"} <= found.releases


def test_a_canary_gets_about_its_share(gateway: Gateway) -> None:
    gateway.set((hello(canary=GREEN, share=25),))
    got = Counter(gateway.ask().release for _ in range(300))
    assert 40 <= got["v2-def"] <= 110  # within four and a half standard deviations
    assert got.total() == got["v1-abc"] + got["v2-def"]


def test_a_visitor_stays_where_he_is_and_a_growing_share_takes_nobody_back(gateway: Gateway) -> None:
    gateway.set((hello(canary=GREEN, share=30, sticky=True),))
    first = [gateway.ask() for _ in range(40)]
    visitors = {answer.cookie.partition(";")[0]: answer.release for answer in first}
    assert len(visitors) == 40 and set(visitors.values()) == {"v1-abc", "v2-def"}
    again = {cookie: gateway.ask(headers={"Cookie": f"a=b; {cookie}"}) for cookie in visitors}
    assert {cookie: answer.release for cookie, answer in again.items()} == visitors
    assert {answer.cookie for answer in again.values()} == {""}
    gateway.set((hello(canary=GREEN, share=70, sticky=True),))
    later = {cookie: gateway.ask(headers={"Cookie": cookie}).release for cookie in visitors}
    assert all(later[cookie] == "v2-def" for cookie, release in visitors.items() if release == "v2-def")


def test_a_preview_is_reached_on_its_port_alone(gateway: Gateway) -> None:
    gateway.set((hello(preview=GREEN),))
    assert {gateway.ask().release for _ in range(20)} == {"v1-abc"}
    assert {gateway.ask(port=8081).release for _ in range(5)} == {"v2-def"}


def test_a_large_body_passes(gateway: Gateway) -> None:
    gateway.set((hello(),))
    assert gateway.ask(method="POST", body=b"x" * (20 << 20)).status == 200


def test_a_primary_that_dies_is_replaced_by_its_backup_and_the_log_tells(gateway: Gateway) -> None:
    gateway.set((hello(backup=GREEN),))
    before = len(gateway.attempts())
    assert gateway.ask().release == "v1-abc"
    gateway.kill(BLUE)
    answers = [gateway.ask(method=method) for method in ("POST", "GET", "POST", "GET")]
    assert [(answer.status, answer.release) for answer in answers] == [(200, "v2-def")] * 4
    attempts = gateway.attempts()[before:]
    # nginx tries the dead one once in five seconds, Envoy at every request
    assert attempts[:2] == [(20000, 200, False), (20000, 502, True)]
    assert {attempt for attempt in attempts[2:] if attempt[0] == 20000} <= {(20000, 502, True)}
    assert [attempt for attempt in attempts if attempt[0] == 20001] == [(20001, 200, False)] * 4


def test_a_canary_that_dies_is_replaced_by_the_primary(gateway: Gateway) -> None:
    gateway.set((hello(canary=GREEN, share=50),))
    gateway.kill(GREEN)
    assert {(answer.status, answer.release) for answer in (gateway.ask() for _ in range(20))} == {(200, "v1-abc")}


def test_a_killed_gateway_comes_back_with_the_same_table(gateway: Gateway) -> None:
    (told,) = gateway.set((hello(GREEN),))
    gateway.node.sh(f"systemctl kill -s KILL {gateway.node.gateway}")
    deadline = time.monotonic() + 10
    while gateway.see()["live"] != told["digest"]:
        assert time.monotonic() < deadline
    assert gateway.ask().release == "v2-def"


def test_what_the_gateway_refuses_leaves_the_old_table_and_tells_its_words(gateway: Gateway) -> None:
    (told,) = gateway.set((hello(),))
    refused = gateway.set_spoiled(hello(GREEN))
    assert (refused["kind"], refused["error"]) == ("error", "gateway"), refused
    assert {"nginx": "proxy_pas", "envoy": "rejected"}[gateway.node.gateway] in refused["detail"], refused
    seen = gateway.see()
    assert (seen["live"], seen["disk"]) == (told["digest"], told["digest"])
    assert gateway.ask().release == "v1-abc"
    gateway.set((hello(GREEN),))
    assert gateway.ask().release == "v2-def"
