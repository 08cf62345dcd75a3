"""Whether the gateway's stored table is surely one of this program's own. No I/O. For ``serve``.

``serve`` reads only the table's first line, and cannot make the rest anew to compare, which takes too much memory. A
file that another du-node wrote, earlier or later than this one, or somebody by hand, has a hash that fits; but this
program would write other text for it, or cannot read it. A whole healing looks, and writes what it does not know.
"""

from __future__ import annotations


class Origin:
    """Knows the file by its stamp (see files.stamp). What was there before us is strange, and what came by itself."""

    def __init__(self) -> None:
        self._stamp: str | None = None
        self._ours = self._busy = False

    def look(self, stamp: str, *, busy: bool) -> None:
        """The file as it is now, and whether a du-node that changes things is at work."""
        if stamp != self._stamp:
            self._ours = self._stamp is not None and (busy or self._busy)
            self._stamp = stamp
        self._busy = busy

    def begins(self) -> None:
        """A du-node that changes things begins; it may have ended by the next look."""
        self._busy = True

    def healed(self) -> None:
        """A whole healing ended well: the file is as this program writes it."""
        self._ours = True

    @property
    def strange(self) -> bool:
        """Whether there is a file that nobody has looked at."""
        return bool(self._stamp) and not self._ours
