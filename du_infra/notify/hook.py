"""One webhook: a queue with room for so many, and a thread that works it off, trying again later and later."""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from du_infra.errors import DuError
from du_infra.notify.message import Message, headers
from du_infra.notify.post import Outcome, address_of, post
from du_infra.release.secrets import read_source
from du_infra.seeing.state import HookSeen
from du_infra.spec.notify import HookSpec

_LONGEST_WAIT = 300.0


@dataclass(frozen=True)
class Rules:
    """``room`` messages may wait; each is tried once, and again after each of ``waits`` seconds; a try may take
    ``limit`` seconds."""

    room: int = 100
    waits: tuple[float, ...] = (1.0, 5.0, 30.0, 120.0, 300.0)
    limit: float = 10.0


class Hook:
    """Delivers to one webhook. ``tally`` is told whenever its numbers change, and ``say`` what goes wrong, once."""

    def __init__(
        self,
        name: str,
        spec: HookSpec,
        folder: Path,
        tally: Callable[[str, HookSeen], None],
        say: Callable[[str], None],
        rules: Rules,
    ) -> None:
        self.name, self.spec = name, spec
        self._folder, self._tally, self._say, self._rules = folder, tally, say, rules
        self._waiting: deque[Message] = deque()
        self._changed = threading.Condition()
        self._deadline: float | None = None
        self._seen = HookSeen()
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"notify {name}")
        self._thread.start()

    def put(self, message: Message) -> None:
        """Have it delivered. The oldest gives way where there is no more room."""
        with self._changed:
            dropped = len(self._waiting) >= self._rules.room
            if dropped:
                self._waiting.popleft()
            self._waiting.append(message)
            self._count(dropped=self._seen.dropped + dropped)
            self._changed.notify_all()
        if dropped:
            self._complain("there is no more room for what waits: the oldest is dropped")

    def end(self, deadline: float) -> None:
        """Try what waits once more, until ``deadline`` (monotonic), and be done with it."""
        with self._changed:
            self._deadline = deadline
            self._changed.notify_all()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait until it has ended, but no longer."""
        self._thread.join(max(0.0, seconds))

    def _work(self) -> None:
        try:  # whoever looks at the beginning is told then, and not in the night
            self._sources()
        except DuError as error:
            self._complain(str(error))
        while (message := self._next()) is not None:
            outcome = self._deliver(message)
            with self._changed:
                if self._waiting and self._waiting[0] is message:  # else it had to give way meanwhile
                    self._waiting.popleft()
                    good = not outcome.why
                    self._count(
                        delivered=self._seen.delivered + good, failed=self._seen.failed + (not good), why=outcome.why
                    )

    def _next(self) -> Message | None:
        with self._changed:
            while not self._waiting and self._deadline is None:
                self._changed.wait()
            over = self._deadline is not None and time.monotonic() >= self._deadline
            return self._waiting[0] if self._waiting and not over else None

    def _deliver(self, message: Message) -> Outcome:
        for wait in (*self._rules.waits, None):
            outcome = self._try(message)
            if outcome.why:
                self._complain(outcome.why)
            if wait is None or not outcome.again or not self._pause(min(max(wait, outcome.wait), _LONGEST_WAIT)):
                return outcome
        return outcome

    def _try(self, message: Message) -> Outcome:
        """The sources are read each time: a webhook that was given a new address needs no new loop."""
        try:
            address, secret = self._sources()
        except DuError as error:
            return Outcome(str(error), again=True)
        try:
            return self._post(address, secret, message)
        except Exception as error:  # its words may hold the address, and the next message must have its turn
            return Outcome(f"unforeseen: {type(error).__name__}", again=True)

    def _post(self, address: str, secret: str, message: Message) -> Outcome:
        left = self._rules.limit if self._deadline is None else max(0.1, self._deadline - time.monotonic())
        signed = headers(message, secret, int(time.time()))
        outcome = post(address_of(address, self._where), message.body, signed, min(self._rules.limit, left))
        if not outcome.why:
            self._count(why="")
        return outcome

    def _sources(self) -> tuple[str, str]:
        address = read_source(f"{self._where}.url", self.spec.url, self._folder).strip()
        address_of(address, f"{self._where}.url")
        source = self.spec.secret
        return address, read_source(f"{self._where}.secret", source, self._folder).strip() if source else ""

    @property
    def _where(self) -> str:
        return f"notify.{self.name}"

    def _pause(self, seconds: float) -> bool:
        """Wait a while, not all hooks for the same; false when there is no time for another try."""
        until = time.monotonic() + seconds * random.uniform(0.8, 1.2)  # noqa: S311 - nobody is to be surprised
        with self._changed:
            while self._deadline is None and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._deadline is None

    def _complain(self, why: str) -> None:
        if why != self._seen.why:
            self._count(why=why)
            with suppress(Exception):  # that nobody hears it (a log on a full disk) stops no delivery
                self._say(f"{self.name}: {why}")

    def _count(self, **changes: int | str) -> None:
        with self._changed:
            self._seen = replace(self._seen, waiting=len(self._waiting), **changes)  # type: ignore[arg-type]
            self._tally(self.name, self._seen)
