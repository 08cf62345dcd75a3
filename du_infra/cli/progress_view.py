"""How long work is shown: a live board on a terminal, plain lines elsewhere, and where the time went at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from du_infra.cli.lines import Lines
from du_infra.cli.printable import printable
from du_infra.progress import Event, Reporter, line

_OBSERVE_SECONDS = 10.0


@contextmanager
def progress_view() -> Iterator[Reporter]:
    """A reporter that draws on stderr; at the end, however it comes, it says where the time went."""
    if not sys.stderr.isatty():
        lines = PlainLines()
        try:
            yield lines
        finally:
            lines.close()
        return
    from du_infra.cli.live_board import LiveBoard

    with LiveBoard() as board:
        yield board


class PlainLines:
    """One line an event, for logs: no colour, no cursor. What is observed is told every ten seconds only."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._lines = Lines(err=True)
        self._observed: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        if event.kind == "observe":
            now = time.monotonic()
            if now - self._observed.get(event.node, now - _OBSERVE_SECONDS) < _OBSERVE_SECONDS:
                return
            self._observed[event.node] = now
        self._lines.say(f"{time.monotonic() - self._start:6.1f}s  {printable(line(event))}")

    def close(self) -> None:
        """Nothing more happens."""
        self._lines.close()
