"""Which connections lie idle, by what `ss` tells (iproute2 6.1)."""

from __future__ import annotations

import pytest

from du_node.command import Done
from du_node.gateway import idle

ROW = "{queues} 198.18.1.14:80 {there} bbr rto:204 bytes_received:64{last} lastack:2400 delivered:2\n"


def row(there: str, *, queues: str = "0      0     ", last: str = " lastsnd:2400 lastrcv:2408") -> str:
    return ROW.format(there=there, queues=queues, last=last)


def test_quiet_is_where_nothing_came_or_went_for_a_second_and_nothing_waits() -> None:
    told = (
        row("10.0.0.1:1")
        + row("[fd00::3]:2")
        + row("10.0.0.3:3", queues="64     0     ")  # a request that was not read yet
        + row("10.0.0.4:4", queues="0      512   ")
        + row("10.0.0.5:5", last=" lastsnd:2400 lastrcv:12")
        + row("10.0.0.6:6", last=" lastsnd:999 lastrcv:4000")
        + row("10.0.0.7:7", last=" lastsnd:4000")  # it came just now
        + "\nrubbish\n"
    )
    assert idle.quiet(told) == ["10.0.0.1:1", "[fd00::3]:2"]


def test_they_are_ended_by_name_and_so_many_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(argv: list[str]) -> Done:
        asked.append(argv)
        return Done(0, "".join(row(f"10.0.0.1:{port}") for port in range(1, 102)), "")

    monkeypatch.setattr(idle, "run", run)
    idle.end((80,))
    listed, first, second = asked
    assert listed[-3:] == ["sport", "=", ":80"]
    assert first[:2] == ["ss", "-K"]
    assert first.count("or") == 99
    assert second[-4:] == ["(", "dst", "10.0.0.1:101", ")"]
