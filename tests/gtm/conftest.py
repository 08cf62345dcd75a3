"""Three regions take minutes on a machine that has other work: they are brought up where all faults are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gtm.globe import Globe

ASKED_FOR = os.environ.get("DU_FAULTS") == "all"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not ASKED_FOR and item.get_closest_marker("lxd") and "tests/gtm/" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="three regions take minutes: DU_FAULTS=all"))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Globe]:
    """Three regions; those in the folder $DU_GTM, where it is set, which stay there for the next run."""
    if kept := os.environ.get("DU_GTM"):
        Path(kept).mkdir(exist_ok=True)
        made = Globe(Path(kept))
        made.up()
        yield made
        return
    made = Globe(tmp_path_factory.mktemp("world"))
    try:
        made.up()
        yield made
    finally:
        made.down()
