"""How this copy of hello behaves, well or badly: read from the environment, so that one program makes every tag."""

from __future__ import annotations

import itertools
import os
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

CRASH_CODE = 3
_SLOWNESS_MS = 100


@dataclass(frozen=True)
class Traits:
    """What the HELLO_… variables say; times in seconds unless the name says otherwise."""

    version: str
    greeting: str
    ready: int
    """What /readyz answers: 200, 503 or 404."""
    ready_after: float
    crash_after: float
    leak_mb: int
    """Memory taken for good, every second."""
    errors_percent: int
    delay_ms: float
    latency_factor: float
    on_sigterm: str
    """finish: answer what is under way, then go; exit: go at once; ignore: stay."""

    @property
    def delay(self) -> float:
        """How long an answer takes. Where there is no delay to multiply, a factor of 2 adds 100 ms."""
        if self.delay_ms:
            return self.delay_ms * self.latency_factor / 1000
        return _SLOWNESS_MS * (self.latency_factor - 1) / 1000


def read(environment: Mapping[str, str] = os.environ) -> Traits:
    """The traits that ``environment`` asks for; a value that cannot be meant ends the program."""

    def of(name: str, default: str) -> str:
        return environment.get(f"HELLO_{name}", default)

    return Traits(
        version=of("VERSION", "dev"),
        greeting=of("GREETING", "Hello from du-infra"),
        ready={"yes": 200, "no": 503, "missing": 404}[of("READY", "yes")],
        ready_after=float(of("READY_AFTER", "0")),
        crash_after=float(of("CRASH_AFTER", "0")),
        leak_mb=int(of("LEAK_MB", "0")),
        errors_percent=int(of("ERRORS_PERCENT", "0")),
        delay_ms=float(of("DELAY_MS", "0")),
        latency_factor=float(of("LATENCY_FACTOR", "1")),
        on_sigterm={word: word for word in ("finish", "exit", "ignore")}[of("ON_SIGTERM", "finish")],
    )


class Errors:
    """Says which requests fail: of every 100 exactly as many as asked for, evenly spread, always the same ones."""

    def __init__(self, percent: int) -> None:
        self._percent = percent
        self._count = itertools.count()

    def next_fails(self) -> bool:
        """Whether the request that has just come is one of them."""
        number = next(self._count)
        return (number + 1) * self._percent // 100 > number * self._percent // 100


def begin(traits: Traits) -> None:
    """Start what happens by itself: the crash and the leak."""
    if traits.crash_after:
        threading.Thread(target=_crash, args=(traits.crash_after,), daemon=True).start()
    if traits.leak_mb:
        threading.Thread(target=_leak, args=(traits.leak_mb,), daemon=True).start()


def _crash(seconds: float) -> None:
    time.sleep(seconds)
    print(f"crashing, as asked for: {seconds:g} s have passed", file=sys.stderr, flush=True)
    os._exit(CRASH_CODE)


def _leak(megabytes: int) -> None:
    kept = []
    while True:
        time.sleep(1.0)
        kept.append(b"x" * (megabytes << 20))  # written to, so that it is really taken
        print(f"leaked {len(kept) * megabytes} MB", flush=True)
