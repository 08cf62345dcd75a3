"""Fixtures for what several machines share: a store on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from du_infra.spec.container import SecretSource
from du_infra.store import postgres
from du_infra.store.database import Store
from tests.lacking import without
from tests.postgres import Postgres, why_no_postgres
from tests.postgres import postgres as running


@dataclass(frozen=True)
class Opener:
    """Opens the same store as often as it is called; ``code`` does so in another process, as ``store``."""

    url: str
    folder: Path
    password: SecretSource | None = None

    def __call__(self) -> Store:
        return Store(self.url, self.folder, self.password)

    @property
    def code(self) -> str:
        """For ``python -c``; ``folder`` is set, too."""
        file = self.password.file if self.password else None
        return f"""
from pathlib import Path
from du_infra.spec.container import SecretSource
from du_infra.store.database import Store
folder, file = Path({str(self.folder)!r}), {file!r}
def opened(): return Store({self.url!r}, folder, SecretSource(file=file) if file else None)
"""


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL for the tests of this worker."""
    without(why_no_postgres())
    with running() as made:
        yield made


@pytest.fixture
def shared(server: Postgres, tmp_path: Path) -> Iterator[Opener]:
    """Opens a database of its own on that server, as often as it is asked."""
    yield Opener(server.new(), tmp_path, SecretSource(file=str(server.password_file)))
    postgres.close()
