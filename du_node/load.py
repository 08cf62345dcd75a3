"""How busy the node has been in the last minute, from /proc, PSI and the access log.

``serve`` calls ``sample`` every 10 s: a line with where the CPU's counters and the access log stood, kept in memory
(/run). ``load`` subtracts. Only the monotonic clock counts, so that a clock that is set makes no load up. In an LXD
container /proc/stat and /proc/meminfo are lxcfs' and tell of the container alone; /proc/pressure tells of the whole
host there, and the container's own is in its control group.

Sources: proc(5) on stat and meminfo; the kernel's accounting/psi.
"""

from __future__ import annotations

import os
import time

from du_node import places
from du_node.logfile import inode_and_size, read_from

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SAMPLE_SECONDS = 10.0
"""How often ``sample`` should be called."""
_KEPT = f"{places.RUN}/load"
_WINDOW = 60.0
_OLDEST = _WINDOW + 1.5 * SAMPLE_SECONDS
_NEWEST = 5.0
"""Counters of ticks that are closer together than this say little."""
_MOST_BYTES = 1 << 19
"""Of the access log, looked at line by line: 10,000 requests; the rest is only counted."""
_FEWEST_ANSWERS = 20
_PSI = ("/sys/fs/cgroup/unified/{}.pressure", "/sys/fs/cgroup/{}.pressure", "/proc/pressure/{}")
_IDLE = (3, 4)  # of the numbers in /proc/stat's first line: idle, and waiting for a disk
_COUNTED = 8  # what follows is guests' time, which is in the first two already


class Mark:
    """Where the counters stood: ``when`` (monotonic s), ``busy`` and ``total`` (ticks of all CPUs), the access log's
    ``inode`` and ``size``; zeros where there was nothing to read."""

    __slots__ = ("busy", "inode", "size", "total", "when")

    def __init__(self, when: float, busy: int, total: int, inode: int, size: int) -> None:
        self.when = when
        self.busy = busy
        self.total = total
        self.inode = inode
        self.size = size


def sample() -> None:
    """Note where the counters stand now. Never raises for what it cannot read or write: that minute is unknown then."""
    marks = [mark for mark in _kept() if mark.when > time.monotonic() - _OLDEST]
    lines = [f"{m.when:.3f} {m.busy} {m.total} {m.inode} {m.size}\n" for m in (*marks, _now())]
    try:
        descriptor = os.open(f"{_KEPT}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, "".join(lines).encode())
        finally:
            os.close(descriptor)
        os.replace(f"{_KEPT}.new", _KEPT)  # noqa: PTH105 - pathlib stays out of serve
    except OSError:
        return


def load() -> dict[str, float]:
    """The load of the last 60 s (as far back as samples go); what is not known is left out.

    ``cpu_percent`` of all the node's CPUs, time that a host took away included; ``memory_percent`` now, without the
    cache; ``pressure`` and ``cpu_pressure``: percent of the time in which something waited for memory, and for a CPU;
    ``rps``: requests a second that the node's own copies took; ``p95_ms`` of their answers, until they began, where
    there were at least 20.
    """
    found: dict[str, float] = {}
    _put(found, "memory_percent", _memory(_text("/proc/meminfo")))
    _put(found, "pressure", _pressure("memory"))
    _put(found, "cpu_pressure", _pressure("cpu"))
    now = _now()
    since = _since(_kept(), now.when)
    if since is not None:
        _put(found, "cpu_percent", _cpu(since, now))
        found.update(_requests(since, now))
    return found


def _put(found: dict[str, float], name: str, value: float | None) -> None:
    if value is not None:
        found[name] = round(value, 1)


def _now() -> Mark:
    busy, total = ticks(_text("/proc/stat"))
    return Mark(time.monotonic(), busy, total, *inode_and_size(places.ACCESS_LOG))


def _kept() -> list[Mark]:
    """What was noted, the oldest first."""
    marks = []
    for line in _text(_KEPT).splitlines():
        words = line.split()
        try:
            when, numbers = float(words[0]), [int(word) for word in words[1:]]
            marks.append(Mark(when, *numbers))
        except (ValueError, IndexError, TypeError):
            continue  # half a line
    return marks


def _since(marks: list[Mark], now: float) -> Mark | None:
    """The mark that is nearest to a minute old; None when none is of any use."""
    useful = [mark for mark in marks if _NEWEST <= now - mark.when <= _OLDEST]
    return min(useful, key=lambda mark: abs(now - mark.when - _WINDOW)) if useful else None


def ticks(stat: str) -> tuple[int, int]:
    """(busy, total) of /proc/stat; zeros where it says nothing. Stolen time is busy: nobody here can have it."""
    line = stat.partition("\n")[0].split()
    if len(line) <= _COUNTED or line[0] != "cpu":
        return 0, 0
    numbers = [int(word) for word in line[1 : _COUNTED + 1]]
    total = sum(numbers)
    return total - sum(numbers[place] for place in _IDLE), total


def _cpu(since: Mark, now: Mark) -> float | None:
    busy, total = now.busy - since.busy, now.total - since.total
    if not since.total or total <= 0 or not 0 <= busy <= total:
        return None  # unreadable then or now, or lxcfs was started again and counts anew
    return 100 * busy / total


def _memory(meminfo: str) -> float | None:
    found = {}
    for line in meminfo.splitlines():
        name, _, rest = line.partition(":")
        if name in ("MemTotal", "MemAvailable"):
            found[name] = int(rest.split()[0])
    if not found.get("MemTotal") or "MemAvailable" not in found:
        return None
    return 100 * (1 - found["MemAvailable"] / found["MemTotal"])


def _pressure(what: str) -> float | None:
    """PSI's "some avg60"; None where the kernel does not keep it."""
    for place in _PSI:
        for word in _text(place.format(what)).partition("\n")[0].split():
            if word.startswith("avg60="):
                return float(word[6:])
    return None


def _requests(since: Mark, now: Mark) -> dict[str, float]:
    if not now.inode:
        return {}
    new = b"".join(_added(since, now))
    lines = new.count(b"\n")
    looked = new[-_MOST_BYTES:].decode("ascii", "replace").splitlines()
    ours, times = _answers(looked)
    found = {"rps": round(lines * ours / max(1, len(looked)) / (now.when - since.when), 2)}
    if len(times) >= _FEWEST_ANSWERS:
        times.sort()
        found["p95_ms"] = float(times[-(-len(times) * 95 // 100) - 1])
    return found


def _answers(lines: Iterable[str]) -> tuple[int, list[int]]:
    """How many of the requests a copy on this node took, and how many ms its good answers needed."""
    from du_node.observation.access import parse

    ours, times = 0, []
    for line in lines:
        attempts = parse(line)[1]
        ours += bool(attempts)
        times += [a.ms for a in attempts if a.ms is not None and not a.failed]
    return ours, times


def _added(since: Mark, now: Mark) -> Iterator[bytes]:
    """What the log got since then. One that was moved aside meanwhile goes on in .1 where it was."""
    if since.inode and (since.inode != now.inode or now.size < since.size):
        yield read_from(f"{places.ACCESS_LOG}.1", since.size)
        yield read_from(places.ACCESS_LOG, 0)
    else:
        yield read_from(places.ACCESS_LOG, since.size)


def _text(path: str) -> str:
    return read_from(path, 0).decode("ascii", "replace")
