"""Runs Terraform and follows what it says, so that neither Ctrl-C nor a kill of du-infra harms the state.

- Output goes to files and not to a pipe: a Go program dies of SIGPIPE at its next word when the reader of its
  standard output is gone, and a Terraform that dies so has not written its state.
- The child has its own session, so that a terminal's Ctrl-C reaches it once, from us, and not twice
  (Terraform quits without cleaning up at the second).
- ``setpriv --pdeathsig INT`` (util-linux) asks the kernel to interrupt Terraform when du-infra is killed:
  Terraform ends the machine at hand, writes its state and stops, and no apply goes on with nobody watching.
  The next run waits for the state lock until then. The alternative inside Python, ``preexec_fn``, is not safe
  where there are threads.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_POLL = 0.02  # seconds between two looks at a running Terraform's output


@dataclass(frozen=True)
class Finished:
    """How a run ended: exit code, everything on standard error, and on standard output."""

    rc: int
    stderr: str
    stdout: str = ""


def capture(argv: Sequence[str], folder: Path, env: Mapping[str, str], timeout: float = 60) -> Finished:
    """Run a command that only reads, and keep its output off the disk.

    Raises subprocess.TimeoutExpired and OSError as ``subprocess.run`` does.
    """
    done = subprocess.run(
        argv,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    return Finished(done.returncode, done.stderr, done.stdout)


def follow(argv: Sequence[str], folder: Path, env: Mapping[str, str], on_line: Callable[[str], None]) -> Finished:
    """Run a command that may write state; give each line of its output to ``on_line`` as it comes.

    Whatever ``on_line`` raises, and Ctrl-C, interrupts Terraform once and is raised again after it has ended.
    """
    out, err = folder / "run.out", folder / "run.err"
    with (
        _private(out) as stdout,
        _private(err) as stderr,
        out.open(encoding="utf-8", errors="replace") as lines,
    ):
        process = subprocess.Popen(
            [*_dies_with_us(), *argv],
            cwd=folder,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
            umask=0o077,
        )
        with _ended(process):
            for line in _lines(process, lines):
                on_line(line)
    return Finished(process.returncode, err.read_text(encoding="utf-8", errors="replace"))


def _dies_with_us() -> list[str]:
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT"] if setpriv else []


def _private(path: Path) -> IO[bytes]:
    path.unlink(missing_ok=True)  # an orphan of a killed run may still write to the old one
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _lines(process: subprocess.Popen[bytes], source: IO[str]) -> Iterator[str]:
    """Whole lines, until the process has ended and all is read."""
    part = ""
    while True:
        ended = process.poll() is not None
        while chunk := source.readline():
            part += chunk
            if part.endswith("\n"):
                yield part
                part = ""
        if ended:
            break
        time.sleep(_POLL)
    if part:
        yield part


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave only when the process has ended; if something is raised, ask it to end first."""
    try:
        yield
    except BaseException:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
        _wait(process)
        raise
    _wait(process)


def _wait(process: subprocess.Popen[bytes]) -> None:
    """Wait, however often the user presses Ctrl-C: Terraform is writing its state."""
    while True:
        try:
            process.wait()
            return
        except KeyboardInterrupt:
            continue
