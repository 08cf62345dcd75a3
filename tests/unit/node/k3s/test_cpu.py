"""How busy copies are, by what their control groups have counted."""

from __future__ import annotations

import pytest

from du_node import files
from du_node.errors import NodeError
from du_node.runtime.k3s import cpu


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> dict[int, float | None]:
    """Process → CPU seconds that its group has used; nothing is written."""
    found: dict[int, float | None] = {}
    kept: dict[str, str] = {}
    monkeypatch.setattr(cpu, "cpu_seconds", found.get)
    monkeypatch.setattr(files, "write", kept.__setitem__)
    monkeypatch.setattr(files, "read", lambda path: kept.get(path, ""))
    return found


def at(monkeypatch: pytest.MonkeyPatch, now: float, processes: dict[str, int]) -> float | None:
    monkeypatch.setattr(cpu.time, "monotonic", lambda: now)
    return cpu.percent(processes)


def test_the_mean_of_all_copies_over_the_last_minute(
    used: dict[int, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = {"a": 1, "b": 2}
    used |= {1: 10.0, 2: 50.0}
    assert at(monkeypatch, 1000, both) is None, "there is nothing to compare with"
    used |= {1: 14.0, 2: 50.0}
    assert at(monkeypatch, 1002, both) is None, "two seconds say little"
    assert at(monkeypatch, 1010, both) == 20.0
    used |= {1: 40.0, 2: 80.0}
    assert at(monkeypatch, 1060, both) == 50.0
    assert at(monkeypatch, 1200, both) is None, "what is long ago does not count"


def test_one_copy_that_is_new_or_gone_makes_it_unknown(
    used: dict[int, float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    used |= {1: 10.0}
    at(monkeypatch, 1000, {"a": 1})
    used |= {2: 1.0}
    assert at(monkeypatch, 1030, {"a": 1, "b": 2}) is None
    assert at(monkeypatch, 1030, {"a": 1, "b": 0}) is None
    assert at(monkeypatch, 1040, {}) is None
    used |= {1: 26.0}
    assert at(monkeypatch, 1040, {"a": 1}) == 40.0


def test_a_disk_that_is_full_is_no_error(used: dict[int, float | None], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise NodeError("no-room", "the disk is full")

    monkeypatch.setattr(files, "write", full)
    used |= {1: 10.0}
    assert at(monkeypatch, 1000, {"a": 1}) is None
