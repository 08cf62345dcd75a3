"""How long a user waits before anything happens: ``import du_infra`` and ``du-infra --help``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.report import Row, at_most

_RUNS = 11


def measure() -> list[Row]:
    """Medians of whole processes, in ms; the floor is Python doing nothing."""
    floor = _median([sys.executable, "-c", "pass"])
    imported = _median([sys.executable, "-c", "import du_infra"])
    helped = _median([str(Path(sys.executable).with_name("du-infra")), "--help"])
    return [
        Row("Python alone (floor)", f"{floor:.1f} ms"),
        at_most("`import du_infra`, whole process", imported, 150, "ms"),
        at_most("`du-infra --help`", helped, 300, "ms"),
    ]


def _median(command: Sequence[str]) -> float:
    return statistics.median(_once(command) for _ in range(_RUNS))


def _once(command: Sequence[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - start) * 1000
