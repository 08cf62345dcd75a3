"""Two gateways that share their requests, by the same tests for nginx and Envoy: who answers when something dies."""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from du_node import places
from du_node.table import Peer
from tests.unit.node.envoy_bed import Server, free_ports
from tests.unit.node.peer_bed import Node, running


@pytest.fixture(scope="module", params=["nginx", "envoy"])
def gateways(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Node]]:
    folder = tmp_path_factory.mktemp(request.param)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "PEER_PORT", free_ports(1)[0])
        with (
            running(request.param, folder / "a", "127.0.0.2") as a,
            running(request.param, folder / "b", "127.0.0.3") as b,
        ):
            yield a, b


@pytest.fixture
def nodes(gateways: tuple[Node, Node]) -> Iterator[tuple[Node, Node]]:
    """Both with fresh slots, named a-blue, a-green, b-blue, b-green."""
    for node in gateways:
        node.slots = (Server(f"{node.name}-blue"), Server(f"{node.name}-green"))
    yield gateways
    for node in gateways:
        node.set(())
        for slot in node.slots:
            slot.stop()


def shared(nodes: tuple[Node, Node], **more: bool) -> tuple[Node, Node]:
    """Each has the other for a peer."""
    a, b = nodes
    a.set((a.hello(b, **more),))
    b.set((b.hello(a, **more),))
    return a, b


def ask(node: Node, count: int, method: str = "") -> Counter[tuple[int, str]]:
    """(status, slot) of so many requests, every other one a POST."""
    methods = [method or ("GET", "POST")[n % 2] for n in range(count)]
    found = [node.ask(method=one, body=b"x" * 100 if one == "POST" else None) for one in methods]
    return Counter((answer.status, told["name"]) for answer, told in found)


def test_nodes_take_requests_in_turn_whichever_is_asked(nodes: tuple[Node, Node]) -> None:
    for node in shared(nodes):
        assert ask(node, 20, "GET") + ask(node, 20, "POST") == {(200, "a-blue"): 20, (200, "b-blue"): 20}


def test_a_node_without_usable_peers_still_answers_for_the_others(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.set((a.hello(b),))
    b.set((b.hello(),))
    assert ask(a, 10) == {(200, "a-blue"): 5, (200, "b-blue"): 5}
    assert ask(b, 10) == {(200, "b-blue"): 10}


def test_the_service_behind_a_peer_sees_the_client_as_it_came(nodes: tuple[Node, Node]) -> None:
    a, _ = shared(nodes)
    sent = {"Host": "www.example.com:80", "X-Forwarded-For": "1.2.3.4", "X-Request-Id": "mine", "Connection": "close"}
    found = {told["name"]: (answer, told) for answer, told in (a.ask("/p?q=1", headers=sent) for _ in range(4))}
    assert found.keys() == {"a-blue", "b-blue"}
    for answer, told in found.values():
        assert len(told["x-forwarded-for"].split(",")) == 2 and told["x-forwarded-for"].startswith("1.2.3.4,")
        assert (told["host"], told["x-forwarded-proto"]) == ("www.example.com:80", "http")
        assert (told["path"], told["x-request-id"]) == ("/p?q=1", "mine")
        assert not [name for name in told if name.startswith(("x-envoy", "x-du"))]
        assert answer.headers.get_all("X-Du-Release") == ["v1-abc"]
        assert not [name for name in answer.headers if name.lower().startswith(("x-envoy", "x-du-not"))]


def test_a_client_of_http_1_0_needs_no_host(nodes: tuple[Node, Node]) -> None:
    a, _ = shared(nodes)
    for _ in range(4):
        with socket.create_connection((a.address, a.web), 5) as link:
            link.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert b" 200 " in link.makefile("rb").readline()


def test_where_the_own_slot_is_dead_the_peer_serves(nodes: tuple[Node, Node]) -> None:
    a, _ = shared(nodes)
    a.slots[0].stop()
    assert ask(a, 20) == {(200, "b-blue"): 20}


def test_a_peer_whose_slot_is_dead_loses_no_request_not_even_a_post(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    b.slots[0].stop()
    assert ask(a, 20) == {(200, "a-blue"): 20}


def test_a_peer_that_refuses_connections_loses_no_request(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    entry = a.hello()
    a.set((replace(entry, peers=(Peer("gone", "127.0.0.9"),)),))
    assert ask(a, 20) == {(200, "a-blue"): 20}


def test_where_the_own_slot_and_a_peer_are_dead_the_third_node_serves(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.set((replace(a.hello(b), peers=(Peer("gone", "127.0.0.9"), b.peer)),))
    b.set((b.hello(),))
    a.slots[0].stop()
    assert ask(a, 20) == {(200, "b-blue"): 20}


def test_a_silent_peer_costs_a_second_and_no_request(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    entry = a.hello(b)
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.8", places.PEER_PORT))
        deaf.listen(0)
        with socket.create_connection(("127.0.0.8", places.PEER_PORT)):  # its queue is full: the kernel drops the next
            a.set((replace(entry, peers=(Peer("deaf", "127.0.0.8"),)),))
            began = time.monotonic()
            assert ask(a, 4, "POST") == {(200, "a-blue"): 4}
            assert 0.9 < time.monotonic() - began < 3.5


def test_with_every_slot_dead_the_client_gets_a_plain_502(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    a.slots[0].stop()
    b.slots[0].stop()
    for method in ("GET", "POST") * 3:
        answer, _ = a.ask(method=method)
        assert (answer.status, answer.getheader("X-Du-Not-Sent")) == (502, None)


def test_what_comes_from_a_peer_goes_to_no_other(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    b.slots[0].stop()
    before = len(a.attempts())
    answers = [b.ask(port=places.PEER_PORT)[0] for _ in range(6)]
    assert {answer.status for answer in answers} <= {502, 597}
    assert {answer.getheader("X-Du-Not-Sent") for answer in answers} == {"1"}
    assert len(a.attempts()) == before


def test_an_error_of_the_service_is_handed_on_and_a_post_is_sent_once(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    before = len(a.attempts()) + len(b.attempts())
    for status in (500, 502, 503, 404) * 2:
        answer, told = a.ask(method="POST", body=b"x", headers={"X-Answer": str(status)})
        assert (answer.status, told["method"]) == (status, "POST")
    assert len(a.attempts()) + len(b.attempts()) == before + 8


def test_each_node_counts_what_its_own_slots_were_asked(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    before = [len(node.attempts()) for node in (a, b)]
    ask(a, 20)
    for node, known in zip((a, b), before, strict=True):
        attempts = node.attempts()[known:]
        assert [(found.port, found.status) for found in attempts] == [(node.slots[0].server_port, 200)] * 10


def test_the_backup_of_each_node_steps_in_on_each_node(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes, backup=True)
    b.slots[0].stop()
    assert ask(a, 20) == {(200, "a-blue"): 10, (200, "b-green"): 10}
    a.slots[0].stop()
    assert sum(count for (status, _), count in ask(a, 20).items() if status == 200) == 20


def test_each_node_gives_its_canary_its_share(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.set((a.hello(b, canary=True, share=50),))
    b.set((b.hello(a, canary=True, share=50),))
    found = ask(a, 200)
    assert found.total() == sum(found[200, name] for name in ("a-blue", "a-green", "b-blue", "b-green"))
    assert all(20 <= count <= 80 for count in found.values()), found


def test_a_visitor_is_on_one_side_on_every_node_by_one_cookie(nodes: tuple[Node, Node]) -> None:
    a, b = nodes
    a.set((a.hello(b, canary=True, share=40, sticky=True),))
    b.set((b.hello(a, canary=True, share=40, sticky=True),))
    sides = set()
    for _ in range(20):
        first, told = a.ask()
        (cookie,) = first.headers.get_all("Set-Cookie") or []
        side = told["name"].partition("-")[2]
        sides.add(side)
        again = [a.ask(headers={"Cookie": cookie.partition(";")[0]}) for _ in range(3)]
        assert {told["name"].partition("-")[2] for _, told in again} == {side}
        assert not any(answer.getheader("Set-Cookie") for answer, _ in again)
    assert sides == {"blue", "green"}


def test_a_client_cannot_tell_a_node_what_only_nodes_tell_one_another(nodes: tuple[Node, Node]) -> None:
    """A peer is in the middle of a sticky canary of which the node that is asked knows nothing."""
    a, b = nodes
    a.set((a.hello(b),))
    b.set((b.hello(a, canary=True, share=50, sticky=True),))
    sent = {"X-Du-Visitor": "0" * 32, "X-Du-Not-Sent": "1", "X-Du-Release": "mine"}
    sides = set()
    for _ in range(60):
        _, told = a.ask(headers=sent)
        assert not [name for name in told if name.startswith("x-du")]
        sides.add(told["name"])
    assert sides == {"a-blue", "b-blue", "b-green"}


def test_a_service_cannot_pass_for_the_node_that_it_runs_on(nodes: tuple[Node, Node]) -> None:
    a, b = shared(nodes)
    a.slots[0].stop()  # all goes to the other node
    before = len(b.attempts())
    for status in (200, 597) * 2:
        headers = {"X-Answer": str(status), "X-Answer-Header": "X-Du-Not-Sent"}
        answer, _ = a.ask(method="POST", body=b"x", headers=headers)
        assert answer.status in (status, 502)
        assert answer.getheader("X-Du-Not-Sent") is None
    assert len(b.attempts()) == before + 4


def test_the_peer_port_answers_for_du_node(nodes: tuple[Node, Node]) -> None:
    a, _ = nodes
    a.set((a.hello(),))
    answer, told = a.ask("/readyz", port=places.PEER_PORT)
    assert (answer.status, told["why"]) == (503, "du-node does not answer on this node")
