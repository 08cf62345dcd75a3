"""Another K3s takes this one's place: in one step, waited for, and back again when it does not come up.

The role that installs K3s lays the program of another release beside the one that runs. Pods live on while K3s starts
anew (KillMode=process).
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from du_node.command import run
from du_node.errors import NodeError
from du_node.fields import match, within
from du_node.k3s import files, join, unit
from du_node.k3s.files import Role

PROGRAM = "/usr/local/bin/k3s"
NEXT = "/usr/local/lib/du-infra/k3s-next"
"""Where the role lays the program of another release."""

BEFORE = "/usr/local/lib/du-infra/k3s-before"
"""The program that goes back when the other one does not come up; there until that is settled."""

_VERSION = re.compile(r"v[0-9A-Za-z.+-]{1,60}")
_SECONDS = 300
_FALLS = 3
"""So often it may end before the one before goes back: systemd starts it again and again."""


def upgrade(told: dict[str, Any], tell: Callable[[str], None]) -> bool:
    """Have K3s run as {"version"}, within {"seconds"}; whether anything had to be done for it. Goes on after a kill.

    Raises NodeError refused where that program is not on this node; not-ready, or what K3s says, when it does not come
    up: the one before runs again then, unless that is said.
    """
    wanted, seconds = (
        match(told, "version", _VERSION, "the order"),
        within(told, "seconds", "the order", 1, 3600, _SECONDS),
    )
    role = files.role()
    if not role:
        raise NodeError("refused", "K3s is not set up on this node", todo="run `du-infra region up`")
    if version(PROGRAM) != wanted:
        _swap(wanted)
    elif unit.service(role) == "running" and _runs(role):
        Path(BEFORE).unlink(missing_ok=True)
        return False
    tell(f"K3s starts again as {wanted}")
    try:
        join.started(role, seconds, again=True, falls=_FALLS)
    except NodeError as trouble:
        raise _back(role, wanted, trouble, seconds, tell) from trouble
    Path(BEFORE).unlink(missing_ok=True)
    return True


def version(program: str) -> str:
    """What a K3s says of itself: "k3s version v1.34.4+k3s1 (abcdef)"; "" where there is none."""
    try:
        return (run([program, "--version"]).out.split() + [""] * 3)[2]
    except NodeError:
        return ""


def _swap(wanted: str) -> None:
    """Put the program that waits into its place, and keep the other. At every moment one of them is there."""
    if (there := version(NEXT)) != wanted:
        what = f"K3s {wanted} does not wait on this node" + (f", but {there}" if there else "")
        raise NodeError("refused", what, todo="run `du-infra region up`: it brings the program")
    _copy(PROGRAM, BEFORE)
    _move(NEXT, PROGRAM)


def _runs(role: Role) -> bool:
    """Whether the unit has started since the program was put into its place."""
    return time.time() - unit.seconds_up(role)[1] >= Path(PROGRAM).stat().st_ctime


def _back(role: Role, wanted: str, trouble: NodeError, seconds: int, tell: Callable[[str], None]) -> NodeError:
    """The error for a K3s that did not come up, once the one before is back in its place."""
    old = version(BEFORE)
    if not old:
        return trouble
    tell(f"K3s {wanted} does not come up: {trouble.what}; {old} goes back")
    _copy(PROGRAM, NEXT)
    _move(BEFORE, PROGRAM)
    what = f"K3s {wanted} does not come up here: {trouble.what}"
    try:
        join.started(role, seconds, again=True)
    except NodeError as worse:
        what = f"{what}; and {old}, which is back in its place, does not either: {worse.what}"
        return NodeError("not-ready", what, todo=worse.todo, detail=trouble.detail)
    todo = f"{old} runs again; write that into fleet.yaml as k3s.version, or mend it and run the same command again"
    return NodeError("not-ready", f"{what}; {old} is back in its place and runs", todo=todo, detail=trouble.detail)


def _copy(source: str, target: str) -> None:
    """The same file under another name where that is possible, in one step."""
    fresh = Path(f"{target}.new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.unlink(missing_ok=True)
    try:
        os.link(source, fresh)
    except OSError as trouble:
        if trouble.errno != errno.EXDEV:
            raise
        shutil.copy2(source, fresh)
    fresh.replace(target)


def _move(source: str, target: str) -> None:
    """Replace ``target`` in one step, whatever file systems the two are on."""
    try:
        Path(source).replace(target)
    except OSError as trouble:
        if trouble.errno != errno.EXDEV:
            raise
        _copy(source, target)
        Path(source).unlink()
