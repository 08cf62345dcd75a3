"""Each test of the store runs on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.store.database import Store
from tests.shared_store import Opener


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opener:
    """Opens the same store, as often as it is asked."""
    if request.param == "sqlite":
        return Opener("sqlite:///.du/state.db", tmp_path)
    opener: Opener = request.getfixturevalue("shared")
    return opener


@pytest.fixture
def store(opened: Opener) -> Store:
    """A new store."""
    return opened()
