"""Clients that keep a connection are told to leave with their next answer, and nothing is cut."""

from __future__ import annotations

import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from du_node import places
from du_node.errors import NodeError
from du_node.gateway import parting
from du_node.state import Route
from du_node.table import Entry, Upstream
from tests.unit.node.envoy_bed import Bed, Server, running


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    with running(tmp_path_factory.mktemp("envoy")) as bed:
        yield bed


def test_with_envoy_kept_connections_and_new_ones_close_after_an_answer_until_they_are_welcome(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ENVOY_ADMIN", bed.driver.admin)
    slot = Server("blue")
    try:
        bed.driver.set_table((Entry("hello", Route(), Upstream("blue", slot.server_port, "r", "v1", "sha256:1")),))
        link = HTTPConnection("127.0.0.1", bed.web, timeout=5)
        assert closes(link) is False
        parting.ask_to_leave("envoy")
        assert closes(link) is True
        assert closes(link) is True, "a connection made since"
        parting.welcome("envoy")
        assert closes(link) is False
    finally:
        slot.stop()


def test_a_connection_that_is_only_kept_is_ended_when_nothing_is_asked(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "ENVOY_ADMIN", bed.driver.admin)
    slot = Server("blue")
    try:
        bed.driver.set_table((Entry("hello", Route(), Upstream("blue", slot.server_port, "r", "v1", "sha256:1")),))
        kept, asks = (HTTPConnection("127.0.0.1", bed.web, timeout=10) for _ in range(2))
        assert closes(kept) is False
        assert parting.all_idle("envoy")
        assert not parting.all_idle("nginx")  # ends them by itself
        asks.request("GET", "/slow")
        time.sleep(0.5)
        assert not parting.all_idle("envoy")
        asks.getresponse().read()
        parting.end_idle((bed.web,))
        assert closes(asks) is False, "it had only just been asked on"
        with pytest.raises(ConnectionResetError):
            kept.sock.recv(1)
    finally:
        slot.stop()


def closes(link: HTTPConnection) -> bool:
    link.request("GET", "/")
    answer = link.getresponse()
    answer.read()
    assert answer.status == 200
    return answer.will_close


def test_an_envoy_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "ENVOY_ADMIN", "/nowhere.sock")
    with pytest.raises(NodeError, match="Envoy does not answer"):
        parting.ask_to_leave("envoy")
    parting.welcome("envoy")
