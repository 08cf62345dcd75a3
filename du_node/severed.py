"""Ends the connections to a peer that is dead, for those who wait for its answer. For ``serve``.

A node that loses its power or its network says nothing: a gateway would wait for it for a minute. Its connections are
ended by the kernel (`ss -K`), as if the peer had reset them: the gateway then asks another node, or says that a POST
is lost. A kernel that cannot do that leaves them to their time.
"""

from __future__ import annotations

import os
import time

from du_node import places

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Iterable

    from du_node.peers import Sight

_PATIENCE = 5.0
"""Seconds that a peer has been out of rotation without a sign of life. One that is only slow comes back before."""
_SILENT = [(os.POSIX_SPAWN_OPEN, number, "/dev/null", os.O_WRONLY, 0) for number in (1, 2)]


class Severed:
    """Whose connections have been ended. A peer that comes back and dies again is dealt with again."""

    def __init__(self) -> None:
        self._dead: set[str] = set()
        self._running: list[int] = []

    def mind(self, sights: Iterable[Sight]) -> None:
        """Called often."""
        now = time.clock_gettime(time.CLOCK_BOOTTIME)
        dead = {sight.peer[1] for sight in sights if not sight.up and now - sight.since >= _PATIENCE}
        for address in sorted(dead - self._dead):
            self._end(address)
        self._dead = dead
        self._running = [pid for pid in self._running if not os.waitpid(pid, os.WNOHANG)[0]]

    def _end(self, address: str) -> None:
        argv = ["ss", "-K", "-t", "-n", "dst", address, "dport", "=", str(places.PEER_PORT)]
        try:
            self._running.append(os.posix_spawnp(argv[0], argv, dict(os.environ), file_actions=_SILENT))
        except OSError:
            return  # no such tool
