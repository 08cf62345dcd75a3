"""Connections of clients on which nothing happens, by what the kernel knows of them; and their end (`ss`)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from du_node.command import run

_QUIET_MS = 1000
_AT_ONCE = 100
_OPEN = ("ss", "-H", "-t", "-n", "-i", "-O", "state", "established")
_LAST = re.compile(r" (lastsnd|lastrcv):(\d+)")


def end(ports: Iterable[int]) -> None:
    """End the connections to these ports on which nothing was sent or came for a second, and nothing waits to be read:
    a request that the gateway has not seen yet is no idle connection. Raises NodeError tool where ``ss`` is missing.
    """
    for port in ports:
        here = ("sport", "=", f":{port}")
        ends = quiet(run([*_OPEN, *here]).out)
        for first in range(0, len(ends), _AT_ONCE):
            those = " or ".join(f"dst {there}" for there in ends[first : first + _AT_ONCE])
            run(["ss", "-K", "-t", "-n", "state", "established", *here, "and", "(", *those.split(), ")"])


def quiet(told: str) -> list[str]:
    """The far ends of quiet connections, from what ss tells, one a line: both queues, both addresses, and details.

    What happened just now has no time there.
    """
    found = []
    for line in told.splitlines():
        words, last = line.split(), dict(_LAST.findall(line))
        times = [int(last.get(what, 0)) for what in ("lastsnd", "lastrcv")]
        if len(words) > 4 and words[:2] == ["0", "0"] and min(times) >= _QUIET_MS:
            found.append(words[3])
    return found
