"""Which controllers have died, by what one of the others sees of their signatures."""

from __future__ import annotations

from collections.abc import Mapping

BEAT_SECONDS = 2.0
"""How often a controller signs."""
DEAD_SECONDS = 10.0
"""For how long it must not have signed, by the store's clock, to have lost its regions."""
WATCH_SECONDS = 5.0
"""For how long another must have seen that it does not."""
TRUST_SECONDS = DEAD_SECONDS - BEAT_SECONDS
"""For how long after its last signature a controller itself goes on, by its own clock that nobody sets: never so long
that another may have taken over."""


class Watch:
    """The store's clock may be set, and after a restart of the store everybody's signature is old: so a signature
    must be old, and be seen not to change for a while without a gap in the seeing."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, float]] = {}
        self._looked = float("-inf")

    def dead(self, beats: Mapping[str, float], wall: float, clock: float) -> set[str]:
        """Those that have died. ``beats``: each one's last signature by the store's clock, which is ``wall`` now.

        ``clock``: ours, monotonic.
        """
        if clock - self._looked > WATCH_SECONDS:
            self._seen = {}
        self._looked = clock
        self._seen = {who: self._since(who, beat, clock) for who, beat in beats.items()}
        return {
            who
            for who, (beat, since) in self._seen.items()
            if abs(wall - beat) >= DEAD_SECONDS and clock - since >= WATCH_SECONDS
        }

    def _since(self, who: str, beat: float, clock: float) -> tuple[float, float]:
        before = self._seen.get(who)
        return before if before and before[0] == beat else (beat, clock)
