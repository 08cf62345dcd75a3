"""Whole lines of long work, for logs: where they go may be full, and that is no reason to end the work."""

from __future__ import annotations

import os
import sys
import threading

import click


class Lines:
    """Lines from several threads, to stdout or (``err``) to stderr.

    What cannot be written holds nobody up: nodes are minded on a disk that is full, too. How many lines that were is
    said on stderr once there is room again. That nobody reads any more is another matter: BrokenPipeError is raised.
    """

    def __init__(self, *, err: bool = False) -> None:
        self._err = err
        self._lock = threading.Lock()
        self._unwritten = 0

    def say(self, line: str) -> None:
        """One line; as it is, but that colours are left out where nobody sees them."""
        with self._lock:
            try:
                click.echo(line, err=self._err)
            except BrokenPipeError:
                raise
            except OSError:
                self._unwritten += 1
                return
            self._say_what_is_missing()

    def close(self) -> None:
        """Nothing more is said. What waits for room is given up, or Python's own end would fail for it (code 120)."""
        stream = sys.stderr if self._err else sys.stdout
        with self._lock:
            if not self._unwritten:
                return
            try:
                stream.flush()
            except OSError:
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            self._say_what_is_missing()

    def _say_what_is_missing(self) -> None:
        """On stderr, because programs read stdout. The first of them may have waited in a buffer, and come late."""
        if not self._unwritten:
            return
        lines, where = self._unwritten, "stderr" if self._err else "stdout"
        try:
            click.echo(f"{lines} line{'' if lines == 1 else 's'} for {where} could not be written in time", err=True)
        except BrokenPipeError:
            raise
        except OSError:
            return
        self._unwritten = 0
