"""Who holds a lease: a process, so that others can see whether it is still there."""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path

_SEPARATOR = " "
_STAT = "/proc/{}/stat"
_START_FIELD = 19  # starttime is field 22 of /proc/PID/stat (proc(5)); the third is the first after the name


@dataclass(frozen=True)
class Owner:
    """A process: its user and host for people; ``place`` is the boot and the PID namespace that ``pid`` counts in.

    ``start`` is when the process started, in clock ticks since the boot: a PID alone is used again.
    """

    user: str
    host: str
    boot: str
    space: str
    pid: int
    start: str

    def __str__(self) -> str:
        return _SEPARATOR.join((self.user, self.host, self.boot, self.space, str(self.pid), self.start))

    @property
    def who(self) -> str:
        """For people."""
        return f"{self.user}@{self.host} (process {self.pid})"

    @property
    def gone(self) -> bool:
        """Whether the process has certainly ended; false when it runs, or where we cannot look."""
        if self.host != socket.gethostname():
            return False
        return self.boot != boot() or self.vanished

    @property
    def vanished(self) -> bool:
        """The same among several machines, of which two may have one name: certain only within this boot."""
        return self.boot == boot() != "" and self.space == _space() and not _runs(self.pid, self.start)


def this_process() -> Owner:
    """We ourselves."""
    user = getpass.getuser().replace(_SEPARATOR, "_")
    return Owner(user, socket.gethostname(), boot(), _space(), os.getpid(), _start(os.getpid()))


def parse(text: str) -> Owner:
    """What ``str(owner)`` wrote."""
    user, host, boot, space, pid, start = text.split(_SEPARATOR)
    return Owner(user, host, boot, space, int(pid), start)


def boot() -> str:
    """Which boot of this machine it is: 8 hex digits, "" where nobody says."""
    return _read("/proc/sys/kernel/random/boot_id").strip()[:8]


def _space() -> str:
    try:
        return os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115 - not a path
    except OSError:
        return ""


def _runs(pid: int, start: str) -> bool:
    """Where /proc does not show other people's processes (hidepid) the kernel is asked, which knows no ``start``."""
    if stat := _read(_STAT.format(pid)):
        return _start_in(stat) == start
    try:
        os.kill(pid, 0)  # signal 0 is not sent
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _start(pid: int) -> str:
    return _start_in(_read(_STAT.format(pid)))


def _start_in(stat: str) -> str:
    """Empty for a process that is not there, or has ended and only waits to be noticed."""
    fields = stat.rpartition(")")[2].split()
    return fields[_START_FIELD] if len(fields) > _START_FIELD and fields[0] not in "ZX" else ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
