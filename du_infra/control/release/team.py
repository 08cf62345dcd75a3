"""The same work on several nodes at once, which can be left alone when something more urgent comes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from du_infra.health.state import NodeReport

T = TypeVar("T")

_POLL_SECONDS = 0.02


class Team(Generic[T]):
    """``work`` at once for every node, each in a thread; what it returned or raised is kept by the node's name.

    The threads are daemons: whoever leaves, by Ctrl-C or because the release is aborted, waits for none of them.
    """

    def __init__(self, work: Callable[[NodeReport], T], reports: Sequence[NodeReport]) -> None:
        self.results: dict[str, T] = {}
        self.errors: dict[str, Exception] = {}
        self.left = False
        self._work = work
        self._threads = [threading.Thread(target=self._run, args=(report,), daemon=True) for report in reports]

    def wait(self, urgent: Callable[[], bool], every: float) -> bool:
        """Work until all have ended, or ``urgent``, asked ``every`` seconds, says so; whether all have ended."""
        for thread in self._threads:
            thread.start()
        next_look = time.monotonic() + every
        try:
            while any(thread.is_alive() for thread in self._threads):
                time.sleep(min(_POLL_SECONDS, every))
                if time.monotonic() > next_look:
                    if urgent():
                        self.left = True
                        return False
                    next_look = time.monotonic() + every
        except BaseException:
            self.left = True
            raise
        return True

    def join(self, seconds: float = 10.0) -> None:
        """Wait for those that were left alone."""
        for thread in self._threads:
            thread.join(seconds)

    def _run(self, report: NodeReport) -> None:
        try:
            self.results[report.name] = self._work(report)
        except Exception as error:
            self.errors[report.name] = error
