"""gdnsd on a real node: installed by its role, told by du-infra over SSH, asked from outside on port 53."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import dns.message
import dns.query
import pytest

from du_infra.progress import silent
from du_infra.traffic import ask
from du_infra.traffic.gdnsd.backend import Gdnsd
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.state import Endpoint, Record
from tests.region.ansible_bed import Node, machine

pytestmark = pytest.mark.lxd

NAME = "www.gtm.example.com"
OLD = Record(NAME, 30, {"fra": Endpoint("192.0.2.1", 25), "nbg": Endpoint("192.0.2.2", 75)})
NEW = Record(NAME, 30, {"fra": Endpoint("192.0.2.1", 50), "nbg": Endpoint("192.0.2.2", 50)})
DOWN = Record(NAME, 30, {"fra": Endpoint("192.0.2.1", 50), "nbg": Endpoint("192.0.2.2", 50, up=False)})


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node of a region that answers DNS."""
    with machine(tmp_path_factory.mktemp("dns"), du_dns=True) as made:
        made.configure()
        yield made


@pytest.fixture(scope="module")
def backend(node: Node) -> Gdnsd:
    address = node.target.address
    zone = Zone("gtm.example.com", NAME, {"ns1": address})
    return Gdnsd(zone, [Server(node.target.name, (address,), address, target=node.target)], silent)


def wrong(backend: Gdnsd, record: Record) -> tuple[str, ...]:
    return ask.verify(record, backend.servers(), backend.capabilities(), zone="gtm.example.com")[0].words


def soon(condition: Callable[[], bool], seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def test_a_second_run_changes_nothing_before_there_is_a_record(node: Node) -> None:
    assert node.configure().changed == 0


def test_gdnsd_starts_by_itself_with_the_first_record(node: Node, backend: Gdnsd) -> None:
    assert backend.read() is None
    backend.write(OLD, None)
    assert soon(lambda: wrong(backend, OLD) == ()), wrong(backend, OLD)
    assert backend.read() == OLD
    question = dns.message.make_query(NAME, "A")
    assert dns.query.tcp(question, node.target.address, timeout=5).answer


def test_weights_and_health_are_changed_over_ssh(backend: Gdnsd) -> None:
    start = time.monotonic()
    backend.write(NEW, OLD)
    print(f"\nweights over SSH: {time.monotonic() - start:.2f} s")
    assert wrong(backend, NEW) == ()
    backend.write(DOWN, NEW)
    assert soon(lambda: wrong(backend, DOWN) == ())


def test_a_gdnsd_that_is_killed_is_back_with_who_is_up(node: Node, backend: Gdnsd) -> None:
    node.run("systemctl", "kill", "-s", "KILL", "gdnsd")
    assert soon(lambda: wrong(backend, DOWN) == ()), wrong(backend, DOWN)


def test_a_second_run_leaves_what_is_answered_alone(node: Node, backend: Gdnsd) -> None:
    assert node.configure().changed == 0
    assert backend.read() == DOWN


def test_a_region_that_no_longer_answers_dns_has_its_port_closed(node: Node, backend: Gdnsd) -> None:
    node.configure(du_dns=False)
    assert wrong(backend, DOWN) == ("does not answer",)
    assert node.run("systemctl", "show", "-p", "ActiveState", "gdnsd").strip() == "ActiveState=inactive"
