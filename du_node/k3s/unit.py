"""K3s's two units, asked and told through systemd. `systemctl start` is never waited for: K3s that cannot join tries
for ever, and its unit has no time limit (TimeoutStartSec=0).
"""

from __future__ import annotations

import time
from typing import Literal, TypeAlias

from du_node.command import run
from du_node.errors import NodeError
from du_node.k3s.files import Role

Service: TypeAlias = Literal["running", "starting", "stopped", "disabled", "failed"]

UNITS = {"server": "k3s.service", "agent": "k3s-agent.service"}
_SINCE = ("ActiveEnterTimestampMonotonic", "ExecMainStartTimestampMonotonic")
_STOP_SECONDS = 180.0
_LINES = 200


def service(role: Role) -> Service:
    """How the unit of this role is; "disabled" is stopped and does not come back at the next boot."""
    told = _show(role)
    state, enabled = told.get("ActiveState", ""), told.get("UnitFileState", "") == "enabled"
    if state in ("active", "reloading"):
        return "running"
    if state in ("activating", "deactivating"):
        return "starting"
    if not enabled:
        return "disabled" if told.get("LoadState") == "loaded" else "stopped"
    return "failed" if state == "failed" else "stopped"


def seconds_up(role: Role) -> tuple[float, float]:
    """For how long the unit has been up, and its program has been running; 0 for one that is not up."""
    told, now = _show(role), time.monotonic()
    if told.get("ActiveState") != "active":
        return 0.0, 0.0
    up, running = (int(told.get(key) or 0) / 1e6 for key in _SINCE)
    return now - up, now - running


def restarts(role: Role) -> int:
    """How often systemd has started it again, by itself, since it was told to start."""
    return int(_show(role).get("NRestarts") or 0)


def start(role: Role, *, again: bool = False) -> None:
    """Have the unit run now and after a boot; ``again``: from the beginning, where it runs already."""
    unit = UNITS[role]
    _tell("enable", "--quiet", unit)
    run(["systemctl", "reset-failed", unit])
    _tell("restart" if again else "start", "--no-block", unit)


def stop(role: Role) -> None:
    """Have the unit end, and not come back. Pods run on (KillMode=process). Raises NodeError tool."""
    if _show(role).get("LoadState") != "loaded":
        return
    _tell("disable", "--quiet", UNITS[role])
    _tell("stop", UNITS[role])


def journal(role: Role, since: float) -> list[str]:
    """What the unit has said since then (unix seconds), the oldest first."""
    words = ["journalctl", "-u", UNITS[role], "-o", "cat", "--no-pager", "-n", str(_LINES), "--since", f"@{since:.6f}"]
    return run(words).out.splitlines()


def _show(role: Role) -> dict[str, str]:
    asked = ",".join(("LoadState", "ActiveState", "UnitFileState", "NRestarts", *_SINCE))
    done = run(["systemctl", "show", f"--property={asked}", UNITS[role]])
    if done.code != 0:
        raise NodeError("tool", f"systemd says nothing of {UNITS[role]}", detail=done.err)
    pairs = (line.partition("=") for line in done.out.splitlines())
    return {key: value for key, _, value in pairs}


def _tell(*words: str) -> None:
    done = run(["systemctl", *words], timeout=_STOP_SECONDS)
    if done.code != 0:
        unit = words[-1]
        raise NodeError(
            "tool", f"`systemctl {words[0]} {unit}` failed", todo=f"see `systemctl status {unit}`", detail=done.err
        )
