"""du-node's lines in the controller's terms: progress for the observer, errors with the class that fits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from du_infra.engines import ssh
from du_infra.errors import Busy, DuError, EngineFailed, NotReady, SpecError, Unreachable
from du_infra.progress import Event, Reporter
from du_infra.release.driver import Listener

_KINDS: Mapping[str, type[DuError]] = {
    "bad-wanted": SpecError,
    "secret": SpecError,
    "not-ready": NotReady,
    "observation": NotReady,
    "busy": Busy,
    "registry": Unreachable,
}
_TOLD = ("step", "warning", "observe")


def line_of(text: str) -> Mapping[str, Any]:
    """One line of du-node's output; what is none of its own is a warning."""
    try:
        line: Mapping[str, Any] = json.loads(text)
    except ValueError:
        line = {"kind": "warning", "text": text}
    return line


def last_error(lines: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The last error among du-node's lines; empty where it told none."""
    errors = [line for line in lines if line.get("kind") == "error"]
    return errors[-1] if errors else {}


def failure_of(node: str, last: Mapping[str, Any], done: ssh.Result, what: str = "") -> DuError:
    """The error of a du-node that ended badly: its ``last`` error line, or ``what`` where it said nothing."""
    if last:
        return error_of(node, last)
    kind = Busy if done.rc == Busy.exit_code else EngineFailed
    return kind(what or f"du-node ended with exit code {done.rc}", where=node, detail=done.stderr)


def error_of(node: str, line: Mapping[str, Any]) -> DuError:
    """The error that one of du-node's error lines tells; what has no better class is EngineFailed."""
    service = str(line.get("service") or "")
    return _KINDS.get(str(line.get("error")), EngineFailed)(
        str(line.get("text") or "du-node failed"),
        where=f"{node}/{service}" if service else node,
        todo=str(line.get("todo") or "mend it and run the same command again"),
        detail=str(line.get("detail") or ""),
    )


def listener(report: Reporter, stage: str, node: str) -> Listener:
    """Passes a node's progress on to ``report``."""

    def listen(line: Mapping[str, Any]) -> None:
        if line.get("kind") in _TOLD:
            report(Event(line["kind"], stage, str(line.get("text", "")), node=node))

    return listen
