"""The world that tests of the entrance live in."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.control_traffic.world import World


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)
