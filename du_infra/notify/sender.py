"""All webhooks of a fleet: who wants to be told of what. Telling them takes no longer than to put it into a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from du_infra.notify.hook import Hook, Rules
from du_infra.notify.message import message
from du_infra.notify.notes import Note
from du_infra.progress import Event, Reporter
from du_infra.seeing.state import HookSeen
from du_infra.spec.notify import HookSpec

STAGE = "notify"


class Sender:
    """Hands notes to the webhooks that want them. What waits is kept in memory: a kill loses it (docs/seeing.md)."""

    def __init__(
        self,
        report: Reporter,
        tally: Callable[[str, HookSeen], None] = lambda name, seen: None,
        rules: Rules | None = None,
    ) -> None:
        self._report, self._tally, self._rules = report, tally, rules or Rules()
        self._lock = threading.Lock()
        self._fleet = ""
        self._hooks: dict[str, Hook] = {}
        self._going: list[Hook] = []

    def use(self, fleet: str, folder: Path, specs: Mapping[str, HookSpec]) -> None:
        """These are the webhooks from now on; those that stayed the same keep what waits."""
        with self._lock:
            self._fleet = fleet
            self._going = [hook for hook in self._going if hook.alive]
            for name in [name for name, hook in self._hooks.items() if specs.get(name) != hook.spec]:
                hook = self._hooks.pop(name)
                hook.end(time.monotonic() + self._rules.limit)
                self._going.append(hook)
            for name in specs.keys() - self._hooks.keys():
                self._hooks[name] = Hook(name, specs[name], folder, self._tally, self._say, self._rules)

    def wanted(self, kind: str) -> bool:
        """Whether anybody wants to be told of such a thing."""
        return any(kind in hook.spec.kinds for hook in list(self._hooks.values()))

    def send(self, note: Note | None) -> None:
        """Tell everybody who wants to know; at once, as nobody is waited for."""
        if note is None:
            return
        with self._lock:
            hooks = [hook for hook in self._hooks.values() if note.kind in hook.spec.kinds]
            if hooks:
                told = message(note, self._fleet, time.time())
                for hook in hooks:
                    hook.put(told)

    def close(self, grace: float) -> None:
        """Deliver what waits within ``grace`` seconds, and end."""
        deadline = time.monotonic() + grace
        with self._lock:
            hooks = [*self._hooks.values(), *self._going]
            self._hooks.clear()
        for hook in hooks:
            hook.end(deadline)
        for hook in hooks:
            hook.join(deadline - time.monotonic())

    def _say(self, words: str) -> None:
        self._report(Event("warning", STAGE, words))
