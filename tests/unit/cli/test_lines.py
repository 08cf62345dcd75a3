"""A full disk ends nobody's work; that nobody reads any more does."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from du_infra.cli.control.run import _Lines
from du_infra.cli.lines import Lines
from du_infra.cli.progress_view import PlainLines
from du_infra.control.decision import Decision
from du_infra.progress import Event

FULL = Path("/dev/full")


class Place(io.StringIO):
    """Where lines go; while ``error`` is set nothing can be written."""

    error: int = 0

    def write(self, text: str) -> int:
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return super().write(text)


def places(monkeypatch: pytest.MonkeyPatch) -> tuple[Place, Place]:
    """In place of stdout and stderr; no fixture, because pytest puts its own there when a test begins."""
    out, err = Place(), Place()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    return out, err


@pytest.mark.parametrize("output", ["text", "json"])
def test_a_full_disk_ends_no_minding_and_how_much_is_missing_is_said_once(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = places(monkeypatch)
    lines = _Lines(output)
    out.error = err.error = errno.ENOSPC
    for _ in range(3):
        lines.tell(Decision("home", "left", "dead"))
    out.error = 0
    lines.tell(Decision("home", "left", "stderr is full still"))
    err.error = 0
    for _ in range(2):
        lines.tell(Decision("home", "well", "nothing is amiss"))
    assert err.getvalue() == "3 lines for stdout could not be written in time\n"
    assert len(out.getvalue().splitlines()) == 3


def test_progress_that_cannot_be_written_cuts_off_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    _, err = places(monkeypatch)
    report = PlainLines()
    err.error = errno.ENOSPC
    report(Event("stage", "machines"))
    err.error = 0
    report(Event("done", "machines"))
    assert err.getvalue().splitlines()[1:] == ["1 line for stderr could not be written in time"]


def test_that_nobody_reads_any_more_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = places(monkeypatch)
    out.error = err.error = errno.EPIPE
    for lines in (Lines(), Lines(err=True)):
        with pytest.raises(BrokenPipeError):
            lines.say("anybody there?")


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_on_a_disk_that_stays_full_the_end_is_the_works_own() -> None:
    """Python would end with 120: it cannot write what waits in its buffer."""
    script = "from du_infra.cli.lines import Lines; lines = Lines(); lines.say('x'); lines.close(); raise SystemExit(5)"
    with FULL.open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (5, "1 line for stdout could not be written in time\n")
