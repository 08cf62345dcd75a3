"""Files that are whole or not there at all, and the lock that lets one du-node at a time change the node."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from du_node import places
from du_node.errors import NodeError, of_system


def write(path: str, text: str, mode: int = 0o600) -> None:
    """Replace ``path`` in one step; it survives a power cut. Raises NodeError no-room when the disk is full."""
    fresh = f"{path}.{os.getpid()}.new"
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(fresh).replace(path)
    except OSError as trouble:
        with suppress(OSError):  # of a disk that can only be read nothing can be removed either
            Path(fresh).unlink(missing_ok=True)
        raise of_system(trouble, f"{path} cannot be written: {trouble.strerror}") from trouble


def read(path: str) -> str:
    """The text of ``path``; empty when there is none."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def read_json(path: str) -> dict[str, Any]:
    """The object in ``path``; empty when there is none or it is broken."""
    try:
        found = json.loads(read(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def stamp(path: str) -> str:
    """Changes whenever the file is replaced; empty when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - serve has no pathlib in memory
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"


class Lock:
    """One du-node at a time. The kernel frees it when its holder, and every nerdctl that it started, is gone.

    Where it is wanted ``now``, a run of the same verb is ended too: it can be cut off anywhere.
    """

    def __init__(self, verb: str, *, now: bool = False) -> None:
        self._verb = verb
        self._weaker = () if verb == "heal" else ("heal", verb) if now else ("heal",)
        Path(places.LOCK).parent.mkdir(parents=True, exist_ok=True)
        self.descriptor = os.open(places.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def take(self, patience: float) -> None:
        """Wait up to ``patience`` seconds. A ``heal`` gives way to everything else. Raises NodeError busy."""
        deadline = time.monotonic() + patience
        asked = 0
        while not self._try():
            asked = _ask_to_go(self._weaker, asked)
            if time.monotonic() > deadline:
                raise _busy()
            time.sleep(0.05)
        os.ftruncate(self.descriptor, 0)
        ours = {"pid": os.getpid(), "verb": self._verb, "since": time.time()}
        os.pwrite(self.descriptor, json.dumps(ours).encode(), 0)

    def free(self) -> None:
        """Let others change the node, before this process ends."""
        os.ftruncate(self.descriptor, 0)
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)
        os.close(self.descriptor)

    def _try(self) -> bool:
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def holder() -> dict[str, Any] | None:
    """Who changes the node now: {"verb", "pid", "since" (unix seconds)}; None when nobody does."""
    try:
        descriptor = os.open(places.LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return {"verb": "", "pid": 0, "since": 0.0, **read_json(places.LOCK)}
    finally:
        os.close(descriptor)
    return None


def _ask_to_go(verbs: tuple[str, ...], asked: int = 0) -> int:
    """Have whoever holds the lock end, if it is one of these: we continue what it was doing from what is there.

    Its pid; one that was ``asked`` is not asked again, but whoever took the lock after it is.
    """
    found = read_json(places.LOCK)
    verb, pid = found.get("verb"), int(found.get("pid", 0))
    if verb not in verbs or pid == asked:
        return asked
    if pid > 1 and verb in read(f"/proc/{pid}/cmdline").split("\0"):
        os.kill(pid, signal.SIGTERM)
    return pid


def _busy() -> NodeError:
    found = read_json(places.LOCK)
    age = time.time() - float(found.get("since", time.time()))
    who = f"du-node {found.get('verb', '')}".strip()
    return NodeError(
        "busy",
        f"another {who} (pid {found.get('pid', 'unknown')}) has been at work on this node for {age:.0f} s",
        todo="wait until it ends, then run the command again",
    )
