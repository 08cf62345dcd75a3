"""Ending Ansible for sure. Its workers start sessions of their own, so killing its process group is not enough."""

from __future__ import annotations

import os
import signal
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path


def family(marker: str) -> list[int]:
    """Our processes whose command line contains ``marker``, and all that stand below them, parents first."""
    children: dict[int, list[int]] = defaultdict(list)
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        children[_parent(entry)].append(int(entry.name))
        if marker in _command_line(entry):
            found.append(int(entry.name))
    for pid in found:
        found += [child for child in children[pid] if child not in found]
    return found


def end(pids: Iterable[int], grace: float = 3.0) -> None:
    """Ask these processes to end (SIGTERM), then make them (SIGKILL) when ``grace`` seconds are over."""
    pids = list(pids)
    _signal(pids, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    _signal(pids, signal.SIGKILL)


def _parent(entry: Path) -> int:
    try:
        # The name in parentheses may hold anything: the fields begin after the last ")".
        return int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0  # it ended while we looked


def _command_line(entry: Path) -> str:
    try:
        return (entry / "cmdline").read_text(errors="replace")
    except OSError:
        return ""  # it ended while we looked, or is not ours


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent (a zombie) does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return False
    return state not in "ZX"


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue
