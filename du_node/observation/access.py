"""The gateway's access log: one line for each request, written by nginx and Envoy alike.

    <unix seconds.millis> <service> <address list> <status list> <seconds list> <status>

The lists have one item for each copy that was tried, joined by commas ("-" for what is not known). A request that
one copy failed and the other answered is one line with two attempts. What was given to another node is no attempt
here: that node writes it down. The seconds are those until a copy's answer began, so that a download or a websocket,
which may last for hours, does not look like a slow answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from du_node import places
from du_node.logfile import inode_and_size, read_from

PATH = places.ACCESS_LOG
_LOOPBACK = "127.0.0.1:"
_FIELDS = 6
_LONGEST_GAP = 60.0
_MOST_BYTES = 1 << 20
"""Of what was before: 20,000 requests are enough to compare with, and take 0.1 s of the CPU."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One copy was asked. ``port`` is the copy's on loopback; ``ms`` until its answer began, None if none did."""

    port: int
    status: int
    ms: int | None

    @property
    def failed(self) -> bool:
        """It answered 5xx, or was not there to answer: gateways write 502, 503 or 504 then."""
        return self.status >= 500


def parse(line: str) -> tuple[float, list[Attempt]]:
    """When a request ended (unix seconds), and whom the gateway asked. (0, []) for a line that is none of ours.

    An attempt that has no status was given up by the client, and says nothing about the copy.
    """
    # nginx writes ", " between two copies and " : " after an internal redirect.
    words = line.replace(", ", ",").replace(" : ", ",").split()
    if len(words) != _FIELDS:
        return 0.0, []
    addresses, statuses, times = (word.split(",") for word in words[2:5])
    try:
        when = float(words[0])
        found = [_attempt(*item) for item in zip(addresses, statuses, times, strict=True)]
    except ValueError:
        return 0.0, []
    return when, [attempt for attempt in found if attempt]


class Tail:
    """What is added to a log from now on, in whole lines; nothing is lost when the log is moved aside.

    ``serve`` copies a log that has grown long to ``.1`` and cuts it to nothing; other programs rename it.
    """

    def __init__(self, path: str = PATH) -> None:
        self._path = path
        self._inode, self._offset = inode_and_size(path)
        self._rest = b""

    def lines(self) -> Iterator[str]:
        """The lines since the last call."""
        inode, size = inode_and_size(self._path)
        if self._inode and (inode != self._inode or size < self._offset):
            # The old content is in .1 now, with the offsets that it had.
            yield from self._whole(read_from(f"{self._path}.1", self._offset))
            self._rest, self._offset = b"", 0
        self._inode = inode
        new = read_from(self._path, self._offset)
        self._offset += len(new)
        yield from self._whole(new)

    def _whole(self, new: bytes) -> Iterator[str]:
        *lines, self._rest = (self._rest + new).split(b"\n")
        for line in lines:
            yield line.decode("ascii", "replace")


def recent(seconds: float, now: float, path: str = PATH) -> Iterator[Attempt]:
    """Whom the gateway asked in the last ``seconds``, as far as the log still tells it; ``now`` is the wall clock.

    Time is added up from line to line, and no step counts more than a minute, so that a clock that was set in the
    meantime changes little.
    """
    age, later = 0.0, now
    for line in reversed(_last_lines(path)):
        when, attempts = parse(line)
        if not when:
            continue
        age += min(max(later - when, 0.0), _LONGEST_GAP)
        if age > seconds:
            break
        later = when
        yield from attempts


def _attempt(address: str, status: str, seconds: str) -> Attempt | None:
    if not address.startswith(_LOOPBACK) or status in ("-", "0"):
        return None
    known = seconds[0] != "-" and status != "101"  # a websocket's time would be that of its handshake
    return Attempt(int(address[len(_LOOPBACK) :]), int(status), round(float(seconds) * 1000) if known else None)


def _last_lines(path: str) -> list[str]:
    """The end of the log; where it was cut a moment ago, the end of what was moved aside comes first."""
    _, size = inode_and_size(path)
    text = read_from(path, max(0, size - _MOST_BYTES))
    if size < _MOST_BYTES:
        _, before = inode_and_size(f"{path}.1")
        text = read_from(f"{path}.1", max(0, before - (_MOST_BYTES - size))) + text
    return text.decode("ascii", "replace").split("\n")
