"""What /proc says about processes."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator
from pathlib import Path


def children(parent: int) -> Iterator[tuple[int, str]]:
    """(pid, command line) of every child of ``parent``."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            # the name in brackets may hold blanks: what follows the last bracket is state, then parent
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                yield int(folder.name), title(int(folder.name))
        except (OSError, ValueError, IndexError):
            continue  # it ended while we looked


def title(pid: int) -> str:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def age(pid: int) -> float:
    """Seconds since the process was started; a large number when it is gone.

    The start is counted from the kernel's boot (proc(5), field 22): inside a container /proc/uptime is another clock.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 1e9
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")


def wait(pid: int, seconds: float) -> bool:
    """Wait for the end of a process that need not be a child (pidfd_open(2)); False when it lives on after that."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        return bool(poller.poll(max(0.0, seconds) * 1000))
    finally:
        os.close(handle)


def memory_kb(pid: int) -> int:
    """Proportional set size, or resident size where the kernel does not tell it; 0 when it is gone."""
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(field):
                    return int(line.split()[1])
        except (OSError, ValueError):
            continue
    return 0


def sockets(pid: int) -> Iterator[str]:
    """The inodes of the sockets that a process has open."""
    try:
        names = [entry.name for entry in os.scandir(f"/proc/{pid}/fd")]
    except OSError:
        return
    for name in names:
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")  # noqa: PTH115
        except OSError:
            continue  # closed while we looked
        if target.startswith("socket:["):
            yield target[8:-1]
