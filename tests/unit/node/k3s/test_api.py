"""du-node asks its own server first, and another one of its cluster where that does not answer."""

from __future__ import annotations

import http.client
import io
import json
import ssl
from pathlib import Path
from typing import Any

import pytest

from du_node import places
from du_node.errors import NodeError
from du_node.runtime.k3s import api
from du_node.runtime.k3s.api import Api

OWN, SECOND, THIRD = "127.0.0.1", "198.18.1.2", "198.18.1.3"


class Network:
    """Who answers, and who was asked; ``hung_up`` close a connection that was kept."""

    def __init__(self) -> None:
        self.away: set[str] = set()
        self.hung_up: set[str] = set()
        self.dialled: list[str] = []
        self.waits: list[float] = []

    def connection(self, host: str, port: int, *, timeout: float, context: object) -> Connection:
        assert port == 6443
        self.waits.append(timeout)
        return Connection(self, host)


class Connection:
    def __init__(self, network: Network, host: str) -> None:
        self.network, self.host, self.sock = network, host, self

    def settimeout(self, seconds: float) -> None:
        self.network.waits.append(seconds)

    def connect(self) -> None:
        self.network.dialled.append(self.host)
        if self.host in self.network.away:
            raise TimeoutError("timed out")

    def request(self, *_: object) -> None:
        if self.host in self.network.hung_up:
            self.network.hung_up.discard(self.host)
            raise http.client.RemoteDisconnected("closed")
        if self.host in self.network.away:
            raise ConnectionResetError("reset")

    def getresponse(self) -> Any:
        answer = io.BytesIO(b'{"metadata": {"name": "x"}}')
        answer.status = 200  # type: ignore[attr-defined]
        return answer

    def close(self) -> None:
        return


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    made = Network()
    monkeypatch.setattr(http.client, "HTTPSConnection", made.connection)
    monkeypatch.setattr(ssl, "create_default_context", lambda cadata: cadata)
    return made


def client() -> Api:
    return Api([f"https://{host}:6443" for host in (OWN, SECOND, THIRD)], "ca", "token")


def test_its_own_server_is_asked_and_the_connection_kept(network: Network) -> None:
    asked = client()
    assert asked.ready()
    assert asked.get("services", "x")
    assert network.dialled == [OWN]
    assert network.waits == [api._CONNECT_SECONDS, api._SECONDS]


def test_where_that_does_not_answer_another_is_asked_and_stays_the_first(network: Network) -> None:
    asked, network.away = client(), {OWN, SECOND}
    assert asked.ready()
    assert network.dialled == [OWN, SECOND, THIRD]
    network.hung_up = {THIRD}
    assert asked.get("services", "x")
    assert network.dialled[3:] == [THIRD]


def test_one_that_is_lost_while_it_is_asked_is_followed_by_another(network: Network) -> None:
    asked = client()
    assert asked.ready()
    network.away = {OWN}
    assert asked.get("services", "x")
    assert network.dialled == [OWN, OWN, SECOND]


def test_where_nobody_answers_each_was_asked_once_and_the_error_says_what_to_do(network: Network) -> None:
    asked, network.away = client(), {OWN, SECOND, THIRD}
    with pytest.raises(NodeError, match="the cluster's API does not answer") as caught:
        asked.get("services", "x")
    assert caught.value.detail == "timed out"
    assert network.dialled == [OWN, SECOND, THIRD]
    network.away = {OWN}
    assert asked.ready()


def test_the_others_are_those_that_the_controller_told_of(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "KUBE", str(tmp_path / "kube.json"))
    kept = {"server": f"https://{OWN}:6443", "others": [f"https://{SECOND}:6443"], "ca": "ca", "token": "t"}
    Path(places.KUBE).write_text(json.dumps(kept))
    network.away = {OWN}
    assert api.connect().ready()
    assert network.dialled == [OWN, SECOND]
