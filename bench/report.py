"""Rows of results, and the machine they were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure: what, how much, the goal and whether it was met (None: there is no goal)."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None


def at_most(what: str, value: float, limit: float, unit: str) -> Row:
    """A figure that must not be more than ``limit``."""
    return Row(what, f"{value:.1f} {unit}", f"≤ {limit:g} {unit}", value <= limit)


def machine() -> str:
    """Date, processor, cores, memory, kernel, Python: one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "?"
    )
    memory = next(int(line.split()[1]) for line in _lines("/proc/meminfo") if line.startswith("MemTotal"))
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return (
        f"{today}, {model}, {os.cpu_count()} cores, {memory / 2**20:.0f} GiB, "
        f"Linux {platform.release().partition('-')[0]}, Python {platform.python_version()}"
    )


def head() -> str:
    """The first two lines of a Markdown table of rows."""
    return "| what | measured | goal | |\n| --- | --- | --- | --- |"


def line(row: Row) -> str:
    """The row's line in it."""
    marks = {True: "met", False: "**missed**", None: ""}
    return f"| {row.what} | {row.value} | {row.goal} | {marks[row.met]} |"


def _lines(path: str) -> list[str]:
    return Path(path).read_text(encoding="utf-8").splitlines()
