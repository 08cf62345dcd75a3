"""What the kernel's control groups say about a container's memory, in version 1 and version 2 alike.

Sources: the kernel's admin-guide/cgroup-v2 (memory.events, memory.current, memory.stat) and
admin-guide/cgroup-v1/memory (memory.oom_control, memory.usage_in_bytes).
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
    unified = None
    for line in files.read(f"/proc/{pid}/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            return Memory(Path(f"{root}/memory{path}"), unified=False)
        if number == "0":
            unified = Memory(Path(f"{root}{path}"), unified=True)
    return unified if Path(root, "cgroup.controllers").exists() else None


def _counts(path: Path) -> dict[str, int]:
    """A file of "name number" lines."""
    rows = (line.split() for line in files.read(str(path)).splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}
