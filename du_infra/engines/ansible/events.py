"""From ansible-runner's events to ours: progress as it happens, failures with the module's own message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from du_infra.progress import Event, Reporter

STAGE = "configure"
# Ansible checks each role's arguments by a task of its own; nobody wants to watch that.
_UNSEEN = "ansible.builtin.validate_argument_spec"
_MESSAGE_LINES = 15


@dataclass(frozen=True)
class HostStats:
    """Ansible's own count of tasks on one host."""

    ok: int = 0
    changed: int = 0
    failed: int = 0
    unreachable: int = 0


@dataclass(frozen=True)
class Failure:
    """A task that failed on a host, or a host that could not be reached."""

    host: str
    task: str
    message: str
    unreachable: bool = False


@dataclass
class Watcher:
    """Receives every event of a run; an instance is ansible-runner's ``event_handler``."""

    report: Reporter
    failures: list[Failure] = field(default_factory=list)
    stats: dict[str, HostStats] = field(default_factory=dict)

    def __call__(self, event: Mapping[str, Any]) -> bool:
        """Handle one event; the answer tells ansible-runner to keep no file of it."""
        handler = _HANDLERS.get(event.get("event", ""))
        if handler:
            handler(self, event)
        return False

    def _start(self, event: Mapping[str, Any]) -> None:
        data = event["event_data"]
        if data.get("resolved_action", data.get("task_action")) != _UNSEEN:
            self._tell("step", data)

    def _ok(self, event: Mapping[str, Any]) -> None:
        data = event["event_data"]
        if data.get("res", {}).get("changed"):
            self._tell("changed", data)

    def _failed(self, event: Mapping[str, Any]) -> None:
        data = event["event_data"]
        if not data.get("ignore_errors"):
            self.failures.append(Failure(data["host"], data.get("task", ""), message(data.get("res", {}))))

    def _unreachable(self, event: Mapping[str, Any]) -> None:
        data = event["event_data"]
        self.failures.append(Failure(data["host"], data.get("task", ""), message(data.get("res", {})), True))

    def _stats(self, event: Mapping[str, Any]) -> None:
        data = event["event_data"]
        for host in data.get("processed", {}):
            self.stats[host] = HostStats(
                ok=data.get("ok", {}).get(host, 0),
                changed=data.get("changed", {}).get(host, 0),
                failed=data.get("failures", {}).get(host, 0),
                unreachable=data.get("dark", {}).get(host, 0),
            )

    def _warning(self, event: Mapping[str, Any]) -> None:
        text = " ".join(str(event.get("stdout", "")).split())
        if text:
            self.report(Event("warning", STAGE, plain(text)))

    def _tell(self, kind: Any, data: Mapping[str, Any]) -> None:
        self.report(Event(kind, STAGE, data.get("task", ""), node=data.get("host", "")))


_HANDLERS = {
    "runner_on_start": Watcher._start,
    "runner_on_ok": Watcher._ok,
    "runner_on_failed": Watcher._failed,
    "runner_on_unreachable": Watcher._unreachable,
    "playbook_on_stats": Watcher._stats,
    "warning": Watcher._warning,
    "system_warning": Watcher._warning,
}


def message(result: Mapping[str, Any]) -> str:
    """What a module said about its failure: its message, and the end of its output if it ran a command."""
    words = [str(result.get(key, "")).strip() for key in ("msg", "stderr", "module_stderr")]
    if not any(words):
        words = [str(result.get(key, "")).strip() for key in ("stdout", "module_stdout")]
    lines = "\n".join(dict.fromkeys(word for word in words if word)).splitlines()
    return "\n".join(lines[-_MESSAGE_LINES:]) or "the module failed without a message"


def plain(text: str) -> str:
    """The text without terminal colours."""
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)
