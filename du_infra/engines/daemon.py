"""Background processes of our own: started once, found again by pid file, never mistaken for others."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from du_infra.engines.process import missing, surroundings, tail

_POLL = 0.05


@dataclass(frozen=True)
class Daemon:
    """A program that runs without us.

    A pid file alone proves nothing after a reboot: the process must also have ``argv`` as its command line and
    ``env`` in its environment, which may be all that tells two of the same program apart (LXD_DIR).
    """

    argv: Sequence[str]
    pid_file: Path
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)

    def pid(self) -> int | None:
        """The process id that the pid file names, while it runs."""
        try:
            known = int(self.pid_file.read_text())
        except (OSError, ValueError):
            known = 0
        return known if known and self._is(known) else None

    def find(self) -> int | None:
        """The process id while it runs, whether the pid file survived or not; what is found is written there."""
        found = self.pid() or next((pid for pid in process_ids() if self._is(pid)), None)
        if found:
            self._remember(found)
        return found

    def start(self) -> subprocess.Popen[bytes]:
        """Start it in a session of its own, so that no Ctrl-C of ours reaches it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as out:
            try:
                process = subprocess.Popen(
                    list(self.argv),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=out,
                    cwd="/",
                    env=surroundings(self.env),
                    start_new_session=True,
                )
            except FileNotFoundError:
                raise missing(self.argv[0]) from None
        self._remember(process.pid)
        return process

    def stop(self, *, sign: signal.Signals = signal.SIGTERM, wait: float = 30) -> bool:
        """End it if it runs, by force after ``wait`` seconds; says whether it ran."""
        pid = self.find()
        if pid is not None:
            tell(pid, sign)
            if not gone(pid, wait):
                tell(pid, signal.SIGKILL)
                gone(pid, wait)
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def last_words(self) -> str:
        """The last lines of its log."""
        return tail(self.log.read_bytes()) if self.log.exists() else ""

    def _is(self, pid: int) -> bool:
        return command_line(pid) == list(self.argv) and self.env.items() <= environment(pid).items()

    def _remember(self, pid: int) -> None:
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.pid_file.with_suffix(".new")
        fresh.write_text(f"{pid}\n")
        fresh.replace(self.pid_file)


def process_ids() -> list[int]:
    """Every process of this machine that /proc shows."""
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; empty when it is gone, a zombie or a kernel thread."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").rstrip("\0").split("\0") if raw else []


def environment(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty when it is gone, or another user's."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in raw.decode(errors="replace").split("\0"))
    return {name: value for name, found, value in pairs if found}


def tell(pid: int, sign: signal.Signals) -> None:
    """Send a signal to a process, which may have ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, sign)


def gone(pid: int, wait: float) -> bool:
    """Wait up to ``wait`` seconds for a process to end, its sockets and files closed."""
    deadline = time.monotonic() + wait
    while not _ended(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _ended(pid: int) -> bool:
    """Gone, or a zombie without threads. The command line is empty earlier, while sockets still answer (proc(5))."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    except OSError:
        return True
    return state in "ZX" and threads <= 1
