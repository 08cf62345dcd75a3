"""The logs of containers: files of ours where the runtime can write one, else what the runtime keeps."""

from __future__ import annotations

import os
from pathlib import Path

from du_node import places
from du_node.state import Container


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


def last_lines(container: Container, count: int = 20) -> str:
    """The end of the slot's log."""
    return last_lines_of(container.service, container.slot, count)


def last_lines_of(service: str, slot: str, count: int = 20) -> str:
    """The end of the log of a slot, or of "before", wherever this node's runtime keeps it."""
    from du_node import runtime  # its drivers use this module

    return runtime.chosen().last_lines(service, slot, count)
