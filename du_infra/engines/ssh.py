"""SSH: a thin layer on OpenSSH's own client, with pinned host keys and one shared connection per node.

Nothing of the user's ``~/.ssh`` is read or written: the key, the known hosts and the options are the region's.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread, Timer
from typing import IO

from du_infra import paths
from du_infra.errors import DuError, Refused, ToolMissing, Unreachable

CONNECT_TIMEOUT = 8
_PERSIST = 60
# A Unix socket's path has at most 107 characters, and ssh binds a temporary name that is 17 longer.
_SOCKET_LIMIT = 107 - 17
_SSH_FAILED = 255


@dataclass(frozen=True)
class Target:
    """A node as SSH reaches it. ``known_hosts`` pins the key of ``name`` (not of ``address``)."""

    name: str
    address: str
    key_file: Path
    known_hosts: Path
    user: str = "root"


@dataclass(frozen=True)
class Result:
    """What a command on a node left: exit code and both outputs."""

    rc: int
    stdout: str
    stderr: str


def run(
    target: Target,
    argv: Sequence[str],
    *,
    stdin: str | Path | None = None,
    into: Path | None = None,
    timeout: float = 30,
) -> Result:
    """Run ``argv`` on the node; ``timeout`` in seconds.

    ``stdin`` is a text, or a file. ``into``: a file that gets the output, for its owner alone; the result has none.

    The command's own failure is in the result. Raises Unreachable when SSH cannot reach the node or the time
    is over, Refused when the node shows another host key than the pinned one.
    """
    try:
        with ExitStack() as open_files:
            source = open_files.enter_context(stdin.open("rb")) if isinstance(stdin, Path) else None
            text = None if isinstance(stdin, Path) else stdin or ""
            sink = open_files.enter_context(_private(into)) if into else None
            done = subprocess.run(
                _command(target, argv),
                stdin=source,
                input=text,
                stdout=sink or subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                timeout=timeout,
            )
    except FileNotFoundError as error:
        raise _no_client() from error
    except subprocess.TimeoutExpired as error:
        raise _too_slow(target, argv, timeout) from error
    return _checked(target, Result(done.returncode, done.stdout or "", done.stderr))


def stream(
    target: Target,
    argv: Sequence[str],
    stdin: str,
    on_line: Callable[[str], None],
    *,
    timeout: float = 600,
) -> Result:
    """Run ``argv`` on the node and hand over each line of its output as it comes.

    ``Result.stdout`` is empty: the lines went to ``on_line``. Errors are those of :func:`run`. When ``on_line``
    raises, or on Ctrl-C, the local client ends at once; what runs on the node decides by itself what to do.
    """
    try:
        process = subprocess.Popen(
            _command(target, argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except FileNotFoundError as error:
        raise _no_client() from error
    with process, _deadline(process, timeout) as late:
        try:
            stderr = _pump(process, stdin, on_line)
        except BaseException:
            process.kill()
            raise
    if late.fired:
        raise _too_slow(target, argv, timeout)
    return _checked(target, Result(process.returncode, "", stderr))


def close(target: Target) -> None:
    """End the shared connection to a node, if there is one; never fails."""
    socket = control_path(target)
    if not socket.exists():
        return
    command = ["ssh", "-F", "none", "-o", f"ControlPath={_quoted(socket)}", "-O", "exit", target.address]
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        # The master ends by itself when it has been idle for a minute, or when the node stops answering.
        return


def common_args(target: Target) -> list[str]:
    """Options that every connection to the node carries, Ansible's included: one connection serves all."""
    options = {
        "BatchMode": "yes",
        "ConnectTimeout": str(CONNECT_TIMEOUT),
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(target.known_hosts),
        "GlobalKnownHostsFile": "none",
        "HostKeyAlias": target.name,
        "UpdateHostKeys": "no",
        "IdentitiesOnly": "yes",
        "IdentityFile": _quoted(target.key_file),
        "IdentityAgent": "none",
        "PasswordAuthentication": "no",
        "ControlMaster": "auto",
        "ControlPersist": str(_PERSIST),
        "ControlPath": _quoted(control_path(target)),
    }
    return ["-F", "none", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]


def control_path(target: Target) -> Path:
    """The socket of the shared connection: short, in a folder that only this user can enter."""
    identity = repr((target.name, target.address, target.user, target.key_file, target.known_hosts))
    return _socket_folder() / hashlib.sha256(identity.encode()).hexdigest()[:12]


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _socket_folder() -> Path:
    try:
        folder = paths.run() / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
        usable = os.access(folder, os.W_OK | os.X_OK)  # another user's du-infra may have made it
    except OSError:
        usable = False
    if not usable:
        folder = paths.cache() / "ssh"
        folder.mkdir(mode=0o700, exist_ok=True)
    if len(str(folder)) + 13 <= _SOCKET_LIMIT:
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    short = Path(tempfile.gettempdir()) / f"du-ssh-{name}"
    short.mkdir(mode=0o700, exist_ok=True)
    if short.is_symlink() or short.stat().st_uid != folder.stat().st_uid:
        raise Refused("this folder for SSH sockets belongs to somebody else", where=str(short))
    return short


def _command(target: Target, argv: Sequence[str]) -> list[str]:
    remote = shlex.join(argv)
    return ["ssh", "-T", *common_args(target), "-l", target.user, target.address, "--", remote]


def _quoted(path: Path) -> str:
    """A path as ssh's option parser wants it: in quotes, because of spaces, with % doubled, because of tokens."""
    return '"' + str(path.absolute()).replace("%", "%%") + '"'


class _deadline:
    """Kill a process when its time is over."""

    def __init__(self, process: subprocess.Popen[str], seconds: float) -> None:
        self.fired = False
        self._process = process
        self._timer = Timer(seconds, self._fire)
        self._timer.daemon = True

    def _fire(self) -> None:
        self.fired = True
        self._process.kill()

    def __enter__(self) -> _deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _pump(process: subprocess.Popen[str], stdin: str, on_line: Callable[[str], None]) -> str:
    assert process.stdin and process.stdout and process.stderr
    errors: list[str] = []
    helpers = [
        Thread(target=_feed, args=(process.stdin, stdin), daemon=True),
        Thread(target=errors.extend, args=(process.stderr,), daemon=True),
    ]
    for helper in helpers:
        helper.start()
    for line in process.stdout:
        on_line(line.rstrip("\n"))
    process.wait()
    for helper in helpers:
        helper.join(timeout=2)
    return "".join(errors)


def _feed(pipe: IO[str], text: str) -> None:
    try:
        with pipe:
            pipe.write(text)
    except BrokenPipeError:
        # ssh ended before it had read everything; its exit code says why.
        return


def _checked(target: Target, result: Result) -> Result:
    if result.rc == _SSH_FAILED:
        raise failure(target, result.stderr)
    return result


def failure(target: Target, words: str) -> DuError:
    """The error for a connection that failed, from ssh's own words."""
    where = f"{target.name} ({target.address})"
    text = words.strip()
    if "Host key verification failed" in text or "HOST IDENTIFICATION HAS CHANGED" in text:
        return Refused(
            "the node's SSH host key is not the one that is pinned",
            where=where,
            todo=f"if the machine was made anew by somebody else, look at it first; the pin is in {target.known_hosts}",
            detail=text,
        )
    if "Permission denied" in text:
        return Unreachable(
            f"the node does not accept our SSH key for {target.user}",
            where=where,
            todo=f"the key is {target.key_file}; the node must list its public half in authorized_keys",
            detail=text,
        )
    # A command that a signal ended (the kernel's, when memory is short) looks the same: ssh has 255 for both.
    last = text.splitlines()[-1].strip() if text else "it ended without a word, or the command there was killed"
    return Unreachable(
        f"SSH does not get through: {last}", where=where, todo="is the node up and on this network?", detail=text
    )


def _too_slow(target: Target, argv: Sequence[str], seconds: float) -> Unreachable:
    return Unreachable(
        f"no answer to {shlex.join(argv)[:80]!r} within {seconds:g} s",
        where=f"{target.name} ({target.address})",
        todo="is the node overloaded or gone?",
    )


def _no_client() -> ToolMissing:
    return ToolMissing("the OpenSSH client is not installed", todo="apt-get install openssh-client")
