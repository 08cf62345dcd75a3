"""This server's member of etcd goes on alone, by `k3s server --cluster-reset`: with its own data, or a snapshot's.

Source: docs.k3s.io, "k3s etcd-snapshot"; K3s 1.34, pkg/cli/server and pkg/cluster (managed.go): it refuses while the
address of another server is set, runs etcd without an API, and ends with 0 when its member stands alone. It leaves a
file, reset-flag, that the next start of the service takes away, and refuses to do it again while that is there.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from du_node import files as plain
from du_node import places
from du_node.command import run
from du_node.errors import NodeError
from du_node.k3s import files, join, move, unit, words
from du_node.k3s.etcd import etcd
from du_node.k3s.upgrade import PROGRAM

NOTE = f"{places.STATE}/k3s-reset.json"
"""{"at"}: the member stands alone since then (unix seconds), and K3s has not been seen to run on it."""

UNIT = "du-infra-k3s-reset.service"
"""Its own unit, so that it comes to its end whatever becomes of who asked for it; pods run on meanwhile."""

_PROPERTIES = ("KillMode=process", "LimitNOFILE=1048576", "EnvironmentFile=-/etc/default/k3s")
_FRESH_SECONDS = 600.0
_MARGIN_SECONDS = 30.0
_LINES = 15


def reset(seconds: int, tell: Callable[[str], None]) -> bool:
    """Have K3s run on what this server's etcd has, without any other member; whether that had to be done.

    Killed anywhere it is done again: a member that stands alone already stands alone once more. Raises NodeError
    refused where this server has no etcd, tool when K3s cannot do it, and what ``join.start`` does.
    """
    if files.role() != "server" or files.datastore() != "etcd":
        raise NodeError("refused", "K3s on this node is no server whose data is in etcd")
    with one_at_a_time():
        if etcd()["members"] is not None:
            Path(NOTE).unlink(missing_ok=True)
            return False
        if not _stands_alone():
            tell("K3s stops, and its etcd forgets all other members")
            unit.stop("server")
            files.stand_alone()
            forget_others(seconds)
            plain.write(NOTE, json.dumps({"at": time.time()}) + "\n")
        join.start(seconds, tell)
        Path(NOTE).unlink(missing_ok=True)
        return True


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Whose controller was killed may still be at work here: wait for it, it has times of its own."""
    path = Path(f"{NOTE}.lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def forget_others(seconds: int, snapshot: str = "") -> None:
    """Have etcd be this server's member alone, with what a ``snapshot`` (a path) has in place of its own data.

    K3s does not run before and after it. Raises NodeError tool with K3s's last words.
    """
    end()
    flag().unlink(missing_ok=True)
    more = ["--cluster-reset-restore-path", snapshot] if snapshot else []
    options = [f"--property={one}" for one in _PROPERTIES]
    told = ["systemd-run", "--quiet", "--wait", "--collect", f"--unit={UNIT}", *options]
    began = time.time()
    try:
        done = run([*told, PROGRAM, "server", "--cluster-reset", *more], timeout=seconds + _MARGIN_SECONDS)
    except NodeError:
        end()
        raise _failed(f"it has not come to its end within {seconds} s", began) from None
    if done.code != 0:
        raise _failed(f"it ended with {done.code}", began)
    move.note_moved()


def end() -> None:
    """Have a reset that somebody else began, and that is still under way, end."""
    run(["systemctl", "stop", UNIT])
    run(["systemctl", "reset-failed", UNIT])


def flag() -> Path:
    """K3s's own mark of a reset after which it has not started yet."""
    return Path(files.DATA, "server/db/reset-flag")


def _stands_alone() -> bool:
    """Whether that has been done, and K3s has only to start, or is about to."""
    at = plain.read_json(NOTE).get("at")
    return at is not None and (flag().exists() or time.time() - float(at) < _FRESH_SECONDS)


def _failed(why: str, since: float) -> NodeError:
    said = run(["journalctl", "-u", UNIT, "-o", "cat", "--no-pager", "-n", "200", "--since", f"@{since:.6f}"]).out
    lines = said.splitlines()
    tail = "\n".join(words.plain(line) for line in lines[-_LINES:])
    what = f"etcd could not be made this server's alone: {why}"
    if trouble := words.trouble(lines):
        what += f": {trouble}"
    todo = f"see `journalctl -u {UNIT}` there; run the same command again"
    return NodeError("tool", what, todo=todo, detail=tail)
