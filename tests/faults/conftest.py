"""One region for each runtime and gateway, up once and used by all cases of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.faults.stage import Stage
from tests.region.conftest import Bed, make_bed

__all__ = ["make_bed", "stage"]


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest, make_bed: Callable[[], Bed]) -> Iterator[Stage]:
    """A region with hello v1 on the runtime and gateway that the test names."""
    runtime, gateway = request.param
    made = Stage(make_bed(), runtime, gateway)
    try:
        made.up()
        yield made
    finally:
        made.down()
