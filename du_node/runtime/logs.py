"""The log files of slots, written by the runtime straight into a file."""

from __future__ import annotations

import os
from pathlib import Path

from du_node import places


def log_file(service: str, slot: str) -> Path:
    """The log file of a slot, or of "before"."""
    return Path(places.LOGS, f"{service}-{slot}.log")


def fresh_log(service: str, slot: str) -> Path:
    """The slot's log file, empty; the one before is kept as ``.1``."""
    log = log_file(service, slot)
    log.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def end_of_file(log: Path, count: int) -> str:
    """The last ``count`` lines of a file; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
