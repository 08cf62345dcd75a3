"""What the kernel's control groups say about a container's memory and CPU time, in version 1 and version 2 alike.

Sources: the kernel's admin-guide/cgroup-v2 (memory.events, memory.current, memory.stat, cpu.stat),
admin-guide/cgroup-v1/memory (memory.oom_control, memory.usage_in_bytes) and cgroup-v1/cpuacct (cpuacct.usage).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from du_node import files

ROOT = "/sys/fs/cgroup"
_KILLED = 137
"""128 and SIGKILL's number: what the OOM killer sends."""


@dataclass(frozen=True)
class Memory:
    """The memory control group of a container. It can be read for as long as the container is not removed or started
    again, its end included, unless systemd made the group: then it goes with the last process."""

    folder: Path
    unified: bool
    """Version 2."""

    def oom_kills(self) -> int:
        """Processes in it that were killed because memory ran out; -1 when the group is gone."""
        found = _counts(self.folder / ("memory.events" if self.unified else "memory.oom_control"))
        return found.get("oom_kill", -1)

    def in_use_mb(self) -> int:
        """What it holds, without the file cache that the kernel can drop; 0 when the group is gone."""
        now = files.read(str(self.folder / ("memory.current" if self.unified else "memory.usage_in_bytes"))).strip()
        cache = _counts(self.folder / "memory.stat")
        droppable = cache.get("inactive_file" if self.unified else "total_inactive_file", 0)
        return max(0, int(now or 0) - droppable) >> 20


class OomKills:
    """Tells how many processes more a container lost because memory ran out.

    A group that systemd made is gone with its container. In version 2 the group around it has counted the loss too.
    """

    def __init__(self, memory: Memory | None) -> None:
        groups = [memory] if memory else []
        if memory and memory.unified:
            groups.append(Memory(memory.folder.parent, unified=True))
        self._seen = {group: group.oom_kills() for group in groups}

    def more(self) -> int:
        """Since the last call, as far as the kernel still tells it."""
        before, self._seen = self._seen, {group: group.oom_kills() for group in self._seen}
        grown = (now - before[group] for group, now in self._seen.items() if now >= 0 <= before[group])
        return max(0, next(grown, 0))

    def ended(self, exit_code: int, told: bool) -> bool:
        """Whether a container that has ended was killed because memory ran out: the runtime has ``told`` so, or SIGKILL
        ended it and the kernel counts one more."""
        return told or (exit_code == _KILLED and bool(self.more()))


def memory_of(pid: int, root: str = ROOT) -> Memory | None:
    """The memory group that a process is in; None when the process is gone or nothing counts its memory."""
    paths = _groups(pid)
    if "memory" in paths:
        return Memory(Path(f"{root}/memory{paths['memory']}"), unified=False)
    if "" in paths and Path(root, "cgroup.controllers").exists():
        return Memory(Path(f"{root}{paths['']}"), unified=True)
    return None


def cpu_seconds(pid: int, root: str = ROOT) -> float | None:
    """CPU time that the group which a process is in has used; None when the process is gone or nothing counts it."""
    paths = _groups(pid)
    if "cpuacct" in paths:
        used = files.read(f"{root}/cpuacct{paths['cpuacct']}/cpuacct.usage").strip()
        return int(used) / 1e9 if used.isdigit() else None
    used_us = _counts(Path(f"{root}{paths.get('', '/')}/cpu.stat")).get("usage_usec") if "" in paths else None
    return None if used_us is None else used_us / 1e6


def _groups(pid: int) -> dict[str, str]:
    """Controller → path of the group that a process is in; version 2 is the controller ""."""
    lines = (line.split(":", 2) for line in files.read(f"/proc/{pid}/cgroup").splitlines())
    return {name: path for number, names, path in lines for name in names.split(",") if name or number == "0"}


def _counts(path: Path) -> dict[str, int]:
    """A file of "name number" lines."""
    rows = (line.split() for line in files.read(str(path)).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
