"""Where results are drawn for people."""

from __future__ import annotations

import sys

from rich.console import Console

_WIDE = 1000


def console() -> Console:
    """A console on stdout. A log or a pipe has no width: nothing is folded or cut there."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
