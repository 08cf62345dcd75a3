"""Runs another program and turns its failure into a NodeError."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from du_node.errors import NodeError

# a service manager's PATH may lack folders of system programs
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Done:
    """How a program ended: exit code, output, error output."""

    code: int
    out: str
    err: str


def run(
    argv: Sequence[str],
    *,
    timeout: float = 60,
    keep: Sequence[int] = (),
    more_env: Mapping[str, str] = MappingProxyType({}),
) -> Done:
    """Run ``argv`` to its end. ``keep`` are file descriptors that it inherits, ``more_env`` is added to its
    environment. Raises NodeError tool when it hangs.

    The program gets a session of its own, so that a hang-up of ours does not reach it.
    """
    try:
        done = subprocess.run(
            list(argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, "LC_ALL": "C.UTF-8", "PATH": _PATH, **more_env},
            pass_fds=tuple(keep),
            start_new_session=True,
            check=False,
        )
    except FileNotFoundError as missing:
        raise NodeError(
            "tool", f"{argv[0]} is not installed on this node", todo="run `du-infra region up`"
        ) from missing
    except subprocess.TimeoutExpired as slow:
        raise NodeError("tool", f"`{' '.join(argv[:4])} …` took more than {timeout:g} s") from slow
    return Done(done.returncode, _text(done.stdout), _text(done.stderr))


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
