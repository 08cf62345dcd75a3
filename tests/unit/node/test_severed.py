"""Connections to a dead peer end, for those who wait for its answer."""

from __future__ import annotations

import os
import time

import pytest

from du_node.peers import Sight
from du_node.severed import Severed


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was run, by a process that ends at once."""
    runs: list[list[str]] = []

    def spawn(_: str, argv: list[str], *__: object, **___: object) -> int:
        runs.append(argv)
        return os.posix_spawn("/bin/true", ["true"], {})

    monkeypatch.setattr(os, "posix_spawnp", spawn)
    return runs


def peer(address: str, *, up: bool, seconds: float) -> Sight:
    made = Sight(("b", address), time.clock_gettime(time.CLOCK_BOOTTIME) - seconds, {}, default=True)
    made.up = up
    return made


def test_only_a_peer_that_has_been_silent_for_long_is_given_up_and_once(asked: list[list[str]]) -> None:
    severed = Severed()
    sights = [peer("10.0.0.2", up=False, seconds=60), peer("10.0.0.3", up=False, seconds=1)]
    for _ in range(3):
        severed.mind([*sights, peer("10.0.0.4", up=True, seconds=60)])
    assert asked == [["ss", "-K", "-t", "-n", "dst", "10.0.0.2", "dport", "=", "8082"]]


def test_a_peer_that_dies_again_is_given_up_again(asked: list[list[str]]) -> None:
    severed = Severed()
    for up in (False, True, False):
        severed.mind([peer("10.0.0.2", up=up, seconds=60)])
    assert len(asked) == 2


def test_a_node_without_the_tool_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    Severed().mind([peer("10.0.0.2", up=False, seconds=60)])
