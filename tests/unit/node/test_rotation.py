"""Which peers a plan is given, and the quick way from what serve has found to the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from du_node import gateway, handover, places, rotation
from du_node.errors import NodeError
from du_node.gateway import nginx_conf
from du_node.state import Gateway, Route
from du_node.table import Entry, Peer, Table, Upstream, pairs, with_peers

A, B = Peer("a", "198.18.0.1"), Peer("b", "198.18.0.2")
TABLE: Table = (Entry("hello", Route(), Upstream("blue", 20000, "r1", "v1", "sha256:0")),)


class Entrance:
    """An nginx that works by ``live`` and has ``disk`` in its file."""

    kind = "nginx"

    def __init__(self, path: Path, table: Table) -> None:
        self._path = path
        self.sets = 0
        self.live = ""
        self.set_table(table)
        self.sets = 0

    def set_table(self, table: Table) -> str:
        text, self.live = nginx_conf.render(table)
        self._path.write_text(text)
        self.sets += 1
        return self.live

    def observe(self) -> Gateway:
        table, disk = nginx_conf.read(self._path.read_text())
        return Gateway(True, pairs(table), self.live, disk)

    @property
    def table(self) -> Table:
        return nginx_conf.read(self._path.read_text())[0]


@pytest.fixture
def entrance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Entrance:
    conf = tmp_path / "du.conf"
    monkeypatch.setattr(places, "RUN", str(tmp_path))
    for name in ("PEERS", "SEEN", "SETTINGS", "TURN"):
        monkeypatch.setattr(places, name, str(tmp_path / name))
    monkeypatch.setitem(places.STORED_TABLE, "nginx", (str(conf), "# du-node ", ""))
    made = Entrance(conf, TABLE)
    monkeypatch.setattr(gateway, "chosen", lambda: made)
    made.followed = []  # type: ignore[attr-defined]
    monkeypatch.setattr(handover, "follow", made.followed.append)  # type: ignore[attr-defined]
    return made


def settings(*peers: Peer) -> None:
    Path(places.SETTINGS).write_text(json.dumps({"peers": [vars(peer) for peer in peers]}))


def found(*peers: Peer, service: str = "hello") -> None:
    Path(places.PEERS).write_text(json.dumps({service: [vars(peer) for peer in peers]}))


def seen(**peers: Any) -> None:
    Path(places.SEEN).write_text(json.dumps(peers))


def test_a_node_alone_has_no_peers_whatever_was_written_once(entrance: Entrance) -> None:
    found(A)
    assert rotation.usable(["hello"]) == {}


def test_before_serve_has_written_anything_all_peers_count(entrance: Entrance) -> None:
    settings(B, A)
    assert rotation.usable(["hello"]) == {"hello": (A, B)}


def test_only_those_that_serve_has_found_and_the_settings_still_name(entrance: Entrance) -> None:
    settings(A)
    found(A, B)
    assert rotation.usable(["hello", "other"]) == {"hello": (A,)}


def test_the_gateway_is_brought_to_the_peers_once(entrance: Entrance) -> None:
    settings(A, B)
    found(A)
    assert rotation.bring()
    assert entrance.table == with_peers(TABLE, {"hello": (A,)}, shared=True)
    assert not rotation.bring()
    assert entrance.sets == 1


def test_a_gateway_that_does_not_work_by_its_file_is_left_to_a_whole_healing(entrance: Entrance) -> None:
    settings(A)
    entrance.live = "another"
    assert not rotation.bring()
    assert entrance.sets == 0


def test_a_file_that_is_none_of_ours_is_left_alone(entrance: Entrance) -> None:
    settings(A)
    Path(places.STORED_TABLE["nginx"][0]).write_text("server {}\n")
    assert not rotation.bring()
    assert entrance.sets == 0


def test_the_firewall_follows_the_peer_that_hands_the_address_over(entrance: Entrance) -> None:
    settings(A, B)
    seen(a={"hands_over": False}, b={"hands_over": True})
    rotation.bring()
    seen(a={"hands_over": False})
    rotation.bring()
    assert entrance.followed == [B.address, ""]  # type: ignore[attr-defined]


def test_the_firewall_follows_also_where_the_gateway_refuses(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(_: Table) -> str:
        raise NodeError("gateway", "no")

    settings(A)
    seen(a={"hands_over": True})
    monkeypatch.setattr(entrance, "set_table", refuses)
    with pytest.raises(NodeError, match="no"):
        rotation.bring()
    assert entrance.followed == [A.address]  # type: ignore[attr-defined]
