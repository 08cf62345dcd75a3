"""How the loop itself does: when it last gave a sign of life, and when that is too long ago. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

_LOOKING_SECONDS = 120.0
_ACTING_SECONDS = 900.0
_INTERVALS = 10


@dataclass(frozen=True)
class Patience:
    """For how many seconds a pass may be silent: while it only looks, and while it acts.

    Who acts tells every step; the longest silence is a machine's that boots, or an image's that is made.
    """

    looking: float = _LOOKING_SECONDS
    acting: float = _ACTING_SECONDS

    @classmethod
    def of(cls, interval: float, boot: float = 0.0) -> Patience:
        """By how often the loop looks, and how long a machine may take to boot."""
        looking = max(_LOOKING_SECONDS, _INTERVALS * interval)
        return cls(looking, max(looking, _ACTING_SECONDS) + boot)


@dataclass(frozen=True)
class Life:
    """One region's passes, or the loop's own rounds. ``alive``: the last sign of life; ``running``: since when a pass
    goes on, None between two; ``doing``: what it does, in words, "" while it looks; ``last`` and ``ended``: how long
    the last pass took, and when it ended (None: none has); ``error``: what went wrong in it."""

    alive: float
    patience: Patience = Patience()
    running: float | None = None
    doing: str = ""
    ended_at: float | None = None
    last: float = 0.0
    error: str = ""
    done: int = 0
    busy: int = 0
    failed: int = 0
    seconds: float = 0.0

    def moved(self, now: float) -> Life:
        """A sign of life."""
        return replace(self, alive=now)

    def began(self, now: float) -> Life:
        """A pass begins."""
        return replace(self, alive=now, running=now, doing="")

    def does(self, now: float, words: str) -> Life:
        """It does more than to look."""
        return replace(self, alive=now, doing=words)

    def ended(self, now: float, error: str, *, busy: bool) -> Life:
        """A pass has ended."""
        took = 0.0 if self.running is None else now - self.running
        over = replace(self, alive=now, running=None, doing="", ended_at=now, last=took, error=error)
        over = replace(over, seconds=self.seconds + took)
        if busy:
            return replace(over, busy=self.busy + 1)
        return replace(over, failed=self.failed + 1) if error else replace(over, done=self.done + 1)

    def silent(self, now: float) -> float:
        """For how long nothing has been heard."""
        return max(0.0, now - self.alive)

    def stale(self, now: float) -> bool:
        """Whether that is too long."""
        return self.silent(now) > self.longest

    def is_late(self, at: float, now: float) -> bool:
        """Whether a look at the time ``at`` is too old to say how the region is: passes may well go on, and fail."""
        return now - at > self.longest

    @property
    def longest(self) -> float:
        """For how many seconds it may be silent now."""
        return self.patience.acting if self.doing else self.patience.looking
