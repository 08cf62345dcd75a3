"""Outside programs: run one, keep its words when it fails, and never leave it behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from du_infra.errors import EngineFailed, ToolMissing

_TAIL_LINES = 15
_NO_SPACE = "No space left on device"


def run(
    argv: Sequence[str],
    *,
    what: str,
    timeout: float = 120,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: bytes | None = None,
) -> bytes:
    """Run a program to its end and return its stdout.

    ``what`` says what we wanted ("make the storage pool"), ``env`` is added to ours (see ``surroundings``), ``timeout``
    is seconds. Raises ToolMissing when the program is not there, EngineFailed with its last words when it fails.
    """
    try:
        done = subprocess.run(
            list(argv),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env=surroundings(env),
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError:
        raise missing(argv[0]) from None
    except subprocess.TimeoutExpired as late:
        words = tail(late.stderr or b"")
        ended = f"could not {what}: no end after {timeout:.0f} s"
        raise EngineFailed(ended, where=argv[0], todo=_todo(words), detail=words) from None
    if done.returncode != 0:
        raise failed(what, argv[0], done.stderr or done.stdout)
    return done.stdout


def missing(program: str) -> ToolMissing:
    """The error for a program that is not installed."""
    return ToolMissing(
        f"{Path(program).name} is not installed",
        todo="run `du-infra doctor` to see what this machine lacks, `du-infra doctor --fix` to install it",
    )


def failed(what: str, where: str, words: bytes) -> EngineFailed:
    """The error for a program that said no; a full disk gets its own advice."""
    detail = tail(words)
    return EngineFailed(f"could not {what}", where=Path(where).name, todo=_todo(detail), detail=detail)


def _todo(words: str) -> str:
    return "free some disk space and run the same command again" if _NO_SPACE in words else ""


def tail(words: bytes, lines: int = _TAIL_LINES) -> str:
    """The last lines of a program's output, as text."""
    return "\n".join(words.decode(errors="replace").strip().splitlines()[-lines:])


def need(program: str) -> str:
    """The full path of ``program``, or ToolMissing."""
    path = shutil.which(program, path=surroundings()["PATH"])
    if path is None:
        raise missing(program)
    return path


def surroundings(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Our environment and ``more``, with the administrator's programs on PATH: after a plain ``su`` they are not."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{path}:/usr/sbin:/sbin", **(more or {})}


def contained(argv: Sequence[str]) -> list[str]:
    """``argv`` in process and mount namespaces of its own, bound to our life.

    Whatever ends us, SIGKILL included, ends everything the program started and undoes its mounts
    (unshare(1) --kill-child, setpriv(1) --pdeathsig).
    """
    apart = ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]
    return ["setpriv", "--pdeathsig", "KILL", "--", *apart, *argv]


@contextmanager
def background(argv: Sequence[str], *, log: Path, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A program at work beside us, writing to ``log``; it is ended when the block is left early."""
    with log.open("wb") as out:
        try:
            process = subprocess.Popen(
                list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=surroundings(env)
            )
        except FileNotFoundError:
            raise missing(argv[0]) from None
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.wait()
