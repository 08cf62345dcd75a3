"""Decides when ``serve`` must have the node healed. No I/O: facts in, decision out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

FAILURES = 3
GATEWAY = "--gateway"
"""Among what is to be restarted: the gateway."""
_SILENCE = 10.0
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 60.0
_CALM = 10.0


class Tries:
    """When to do a thing that may not help: at once, then after 1, 2, 4 … 60 s."""

    def __init__(self) -> None:
        self._wait = self._next = 0.0

    def due(self, now: float) -> bool:
        """Whether it is time."""
        return now >= self._next

    def tried(self, now: float) -> None:
        """It was tried."""
        self._wait = min(max(1.0, 2 * self._wait), _LONGEST_WAIT)
        self._next = now + self._wait

    def over(self) -> None:
        """There is nothing to be done: the next time begins anew."""
        self._wait = self._next = 0.0


class Facts:
    """One look at the node: ``answers`` by service ("ok", "refused", "failed"); the rest says what is amiss.

    ``lost`` are services that are not routed, ``over`` those whose old slot ran on and is not used any more.
    ``cut_off``: an apply was, or the gateway's table may be another du-node's (see Origin). ``silent``: the gateway
    takes connections and says nothing.
    """

    __slots__ = ("answers", "busy", "cut_off", "gateway_ok", "lost", "over", "silent")

    def __init__(
        self,
        answers: Mapping[str, str],
        gateway_ok: bool = True,
        cut_off: bool = False,
        lost: Sequence[str] = (),
        over: Sequence[str] = (),
        busy: bool = False,
        silent: bool = False,
    ) -> None:
        self.answers = answers
        self.gateway_ok = gateway_ok
        self.cut_off = cut_off
        self.lost = lost
        self.over = over
        self.busy = busy
        self.silent = silent


class Watch:
    """Counts failures and keeps a growing distance between two healings that did not help."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}
        self._wait = _FIRST_WAIT
        self._next = 0.0
        self._well_since: float | None = None
        self._silent_since: float | None = None

    def decide(self, facts: Facts, now: float) -> list[str] | None:
        """None: leave the node alone. A list: heal it, and restart what is named in the list: services, the gateway."""
        self._count(facts)
        if not facts.silent:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        gone = [name for name, said in facts.answers.items() if said == "refused"]
        sick = [name for name, count in self._failures.items() if count >= FAILURES]
        if not (gone or sick or facts.lost or facts.over or facts.cut_off or not facts.gateway_ok):
            self._relax(now)
            return None
        self._well_since = None
        if facts.busy or now < self._next:
            return None
        self._next = now + self._wait
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
        for name in sick:
            self._failures[name] = 0
        if self._silent_since is None or now - self._silent_since < _SILENCE:
            return sick
        self._silent_since = None
        return [*sick, GATEWAY]

    def _count(self, facts: Facts) -> None:
        if facts.busy:
            self._failures.clear()  # whoever is at work sees to it; count again afterwards
            return
        self._failures = {
            name: 0 if said == "ok" else self._failures.get(name, 0) + 1 for name, said in facts.answers.items()
        }

    def _relax(self, now: float) -> None:
        """After a calm time the next trouble is met at once again."""
        if self._well_since is None:
            self._well_since = now
        if now - self._well_since >= _CALM:
            self._wait = _FIRST_WAIT
