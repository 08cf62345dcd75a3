"""One at a time, across processes: an flock that dies with its holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from du_infra.errors import Busy
from du_infra.progress import Event, Reporter

_POLL = 0.1


@contextmanager
def exclusive(path: Path, *, what: str, report: Reporter, wait: float) -> Iterator[None]:
    """Hold the lock at ``path``; wait up to ``wait`` seconds for another holder and say so.

    Raises Busy, naming the holder's process, when it still holds the lock then. The kernel lets go of the
    lock when the holder dies, so nothing has to be cleaned up after a kill. A holder may remove the file.
    """
    descriptor = _hold(path, what, report, time.monotonic() + wait)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _hold(path: Path, what: str, report: Reporter, deadline: float) -> int:
    """An open file that holds the lock, and is the one that others will find at ``path``."""
    while True:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        held = False
        try:
            _take(descriptor, path, what, report, deadline)
            held = _stands(descriptor, path)  # not so when its last holder removed it
        finally:
            if not held:
                os.close(descriptor)
        if held:
            return descriptor


def _stands(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _take(descriptor: int, path: Path, what: str, report: Reporter, deadline: float) -> None:
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "unknown"
        if time.monotonic() > deadline:
            raise _busy(holder, what, path)
        if not told:
            report(Event("step", what, f"waiting for another du-infra (process {holder})"))
            told = True
        time.sleep(_POLL)


def _busy(holder: str, what: str, path: Path) -> Busy:
    """The holder is named; one that was frozen lets go only when it is woken, or ends."""
    who, todo = f"process {holder}", "wait for it to end, then run the same command again"
    if _frozen(holder):
        who += ", which is frozen"
        todo = f"wake it (`kill -CONT {holder}`) or end it (`kill -KILL {holder}`), then run the same command again"
    return Busy(f"another du-infra ({who}) is at work on {what}", where=str(path), todo=todo)


def _frozen(holder: str) -> bool:
    """Whether that process was stopped by a signal (proc(5), state T)."""
    try:
        return Path(f"/proc/{int(holder)}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except (OSError, ValueError):
        return False
