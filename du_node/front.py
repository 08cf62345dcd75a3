"""The region's address on this node, as ``serve`` minds it: whether the others are to have it, or hand it over."""

from __future__ import annotations

import json
import os
import time

from du_node import peers, places, settings

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTICE, _PATIENCE = 2.0, 6.0
"""Seconds that the others have to send requests elsewhere; and at most, to make ready for the connections that stay
here: who gets the address before that resets them."""


class Front:
    """``drained``: this node is asked to take no requests. ``here``: the region's address is one of this node's."""

    def __init__(self) -> None:
        self.drained = self.here = False
        self._said = _read(places.VIP_AWAY)
        self._noticed = False
        self._since = 0.0

    def look(self, vip: str) -> None:
        """See how things are; ``vip`` is the region's address, empty where nobody has said it."""
        drained = os.path.exists(places.DRAINED)  # noqa: PTH110 - pathlib stays out of serve
        if drained and not self.drained:
            self._since = time.monotonic()
        self.drained = drained
        self.here = bool(vip) and settings.is_local(vip)

    def mind(self, sights: Sequence[peers.Sight], *, stands: bool) -> None:
        """Tell keepalived whether this node leaves the address to the others."""
        self._noticed = self.drained and (self._noticed or self._are_ready(sights))
        text = "1\n" if peers.steps_back(sights, drained=self._noticed, stands=stands) else "0\n"
        if text != self._said:
            self._said = text if _write(places.VIP_AWAY, text) else ""

    def _are_ready(self, sights: Sequence[peers.Sight]) -> bool:
        waited = time.monotonic() - self._since
        ready = not self.here or peers.follow(sights, settings.is_local)
        return waited >= (_NOTICE if ready else _PATIENCE)

    @property
    def follows(self) -> str:
        """Address of the peer that gets what belongs to its connections; empty for none, or where that is not sure."""
        known = _known()
        return "" if known == places.UNSURE else known

    def owed(self, sights: Sequence[peers.Sight]) -> bool:
        """Whether another peer hands the address over than the firewall knows of."""
        return _known() != peers.hands_over(sights)


def _known() -> str:
    """What the firewall does by what was written down."""
    try:
        return str(json.loads(_read(places.HANDOVER) or "{}").get("from", ""))
    except ValueError:
        return ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123
            return file.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> bool:
    """In place, as keepalived watches it. False where it cannot be, say on a full disk: it is tried again."""
    try:
        with open(path, "w", encoding="ascii") as file:  # noqa: PTH123
            file.write(text)
    except OSError:
        return False
    return True
