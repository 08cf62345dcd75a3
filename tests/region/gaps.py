"""How long nobody answers at an address: asked again and again while a block lasts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Gaps:
    """Calls ``ask``, which raises OSError where nobody answers, every 20 ms while the block lasts.

    ``longest`` is the longest time without an answer, in seconds.
    """

    def __init__(self, ask: Callable[[], object]) -> None:
        self._ask = ask
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.longest = 0.0

    def __enter__(self) -> Gaps:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stop.wait(0.02):
            try:
                self._ask()
            except OSError:
                continue
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now
