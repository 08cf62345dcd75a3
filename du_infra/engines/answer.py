"""The end of a file that a role calls as a program: its answer on standard output, or why there is none."""

from __future__ import annotations

import sys
from collections.abc import Callable

from du_infra.errors import DuError


def answer(work: Callable[[], object]) -> int:
    """Print what ``work`` returns; an error goes to standard error. The exit code."""
    try:
        print(work())
    except DuError as error:
        print(*filter(None, (str(error), error.detail, error.todo)), sep="\n", file=sys.stderr)
        return 1
    return 0
