"""A node is drained step by step; what is on the node is played here."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from du_node import drain as module
from du_node import gateway, handover, places, rotation, sockets
from du_node.__main__ import main
from du_node.drain import drain, undrain
from du_node.errors import NodeError
from du_node.gateway import envoy_admin, parting

OTHER = {"name": "b", "address": "198.18.0.2", "up": True, "draining": False}


class Node:
    """``clients`` are connected until they have been asked to leave so many looks ago."""

    def __init__(self) -> None:
        self.peers: list[dict[str, Any]] = [OTHER]
        self.vip = True
        self.looks_until_gone = 0
        self.asked: list[str] = []
        self.clients = 0
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        if self.now > 1.0 and Path(places.DRAINED).exists():
            self.vip = False

    def from_clients(self, ports: tuple[int, ...]) -> int:
        if ports != (80, 443) or "leave" not in self.asked:
            return 0 if ports != (80, 443) else self.clients
        self.looks_until_gone -= 1
        return self.clients if self.looks_until_gone >= 0 else 0


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Node:
    made = Node()
    for name in ("DRAINED", "SETTINGS", "ACCESS_LOG"):
        monkeypatch.setattr(places, name, str(tmp_path / name))
    monkeypatch.setattr(module, "peers", lambda: made.peers)
    monkeypatch.setattr(module.time, "sleep", made.sleep)
    monkeypatch.setattr(module.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(handover, "holds_vip", lambda: made.vip)
    monkeypatch.setattr(handover, "keep", lambda: made.asked.append("keep"))
    monkeypatch.setattr(handover, "end", lambda: made.asked.append("end"))
    monkeypatch.setattr(parting, "ask_to_leave", lambda _: made.asked.append("leave"))
    monkeypatch.setattr(parting, "welcome", lambda _: made.asked.append("welcome"))
    monkeypatch.setattr(sockets, "from_clients", made.from_clients)
    monkeypatch.setattr(rotation, "stored", lambda _: ())
    monkeypatch.setattr(gateway, "chosen", lambda: type("Entrance", (), {"kind": "nginx"})())
    return made


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_address_is_kept_for_its_connections_before_it_goes_and_clients_leave_after(node: Node) -> None:
    node.clients, node.looks_until_gone = 3, 10
    assert drain(30) == 0
    assert node.asked == ["keep", "leave", "end"]
    assert Path(places.DRAINED).exists()
    assert 3.5 < node.now < 8


def test_what_does_not_end_is_counted_after_its_time(node: Node) -> None:
    node.clients, node.looks_until_gone = 3, 1000
    assert drain(5) == 3
    assert 7.5 < node.now < 9
    assert node.asked == ["keep", "leave", "end"]


def test_with_envoy_connections_that_nobody_asks_on_are_ended_once_nothing_is_under_way(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(ports: tuple[int, ...]) -> None:
        node.asked.append(f"end idle {ports}")
        node.looks_until_gone = 0

    Path(places.SETTINGS).write_text('{"gateway": "envoy"}')
    monkeypatch.setattr(envoy_admin, "active", lambda path: int(node.now < 6))  # a request until then
    monkeypatch.setattr(parting, "end_idle", end)
    node.clients, node.looks_until_gone = 3, 1000
    assert drain(30) == 0
    assert node.asked == ["keep", "leave", "end idle (80, 443)", "end"]
    assert 7 < node.now < 10


def test_a_node_that_does_not_hold_the_address_hands_nothing_over(node: Node) -> None:
    node.vip = False
    drain(5)
    assert node.asked == ["leave", "end"]


@pytest.mark.parametrize("others", [[], [{**OTHER, "up": False}], [{**OTHER, "draining": True}]])
def test_where_nobody_else_takes_requests_the_node_is_marked_and_serves_on(
    node: Node, others: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    node.peers = others
    assert drain(5) == 0
    assert node.asked == []
    assert Path(places.DRAINED).exists()
    assert "serves on" in lines(capsys)[0]["text"]


def test_connections_that_cannot_be_spared_stop_no_drain(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise NodeError("tool", "no")

    monkeypatch.setattr(handover, "keep", refuse)
    assert drain(5) == 0
    assert lines(capsys)[0]["kind"] == "warning"


def test_a_drain_that_was_cut_off_is_done_again_and_undrain_takes_all_of_it_back(node: Node) -> None:
    drain(5)
    drain(5)
    undrain()
    undrain()
    assert not Path(places.DRAINED).exists()
    assert node.asked[-2:] == ["end", "welcome"]


@pytest.mark.parametrize("when", [0.5, 5.0])
def test_a_drain_that_is_taken_back_meanwhile_ends_and_leaves_nobody_turned_away(
    node: Node, monkeypatch: pytest.MonkeyPatch, when: float
) -> None:
    def sleep(seconds: float) -> None:
        Node.sleep(node, seconds)
        if node.now >= when and Path(places.DRAINED).exists():
            undrain()

    monkeypatch.setattr(module.time, "sleep", sleep)
    node.clients, node.looks_until_gone = 3, 1000
    assert drain(30) == 0
    assert node.asked[-1] == "welcome"
    assert node.now < when + 1


def test_the_verb_tells_its_steps_and_a_result(node: Node, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drain", "--cut-after", "5"]) == 0
    told = lines(capsys)
    assert [line["kind"] for line in told] == ["step", "done", "step", "done", "result"]
    assert (told[-1]["ok"], told[-1]["cut"]) == (True, 0)
    assert main(["undrain"]) == 0


@pytest.mark.parametrize("options", [["--cut-after"], ["--cut-after", "-1"], ["--cut-after", "x"], ["5"], ["a", "1"]])
def test_the_verb_refuses_other_options(node: Node, options: list[str]) -> None:
    assert main(["drain", *options]) == 2
    assert not Path(places.DRAINED).exists()


def test_what_the_kernel_refuses_is_an_error_in_words(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", places.DRAINED)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert main(["undrain"]) == 5
    (told,) = lines(capsys)
    assert (told["error"], told["text"]) == ("tool", f"{places.DRAINED}: Read-only file system")
