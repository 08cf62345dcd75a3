"""The slots' log files, written by the runtime straight into a file."""

from __future__ import annotations

import os
from pathlib import Path

from du_node import places
from du_node.state import Container


def fresh_log(service: str, slot: str) -> Path:
    """The slot's log file, empty; the one before is kept as ``.1``."""
    folder = Path(places.LOGS)
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    log = folder / f"{service}-{slot}.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def last_lines(container: Container, count: int = 20) -> str:
    """The end of the slot's log."""
    return last_lines_of(container.service, container.slot, count)


def last_lines_of(service: str, slot: str, count: int = 20) -> str:
    """The end of the log of a slot, or of "before"."""
    log = Path(places.LOGS, f"{service}-{slot}.log")
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])
