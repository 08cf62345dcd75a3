"""Terraform's ``-json`` lines, turned into progress events and into the text of an error. No I/O.

The format is documented as "Machine-Readable UI" of Terraform (message types ``apply_start``, ``diagnostic``,
…).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from du_infra.engines.terraform.plan import is_hook, node_name
from du_infra.progress import Event

_DOING = {"create": "creating", "update": "changing", "delete": "destroying", "read": "reading"}
_DONE = {"create": "created", "update": "changed", "delete": "destroyed", "read": "read"}

# The LXD provider 1.5.0 has this said about its own schema in every run; nobody can do anything about it.
_NOISE = "provider set empty string as default value for bool"


def parse(line: str) -> dict[str, Any]:
    """One line of ``-json`` output; a line that is no JSON object (a panic, say) becomes a log line."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    return message if isinstance(message, dict) else {"type": "log", "@message": line.rstrip()}


def event_of(message: Mapping[str, Any], stage: str) -> Event | None:
    """The event to report for a message, if it is worth one."""
    kind = message.get("type")
    if kind == "diagnostic":
        return _warning(message["diagnostic"], stage)
    text = _text(kind, message.get("hook", {}))
    if not text:
        return None
    address = message["hook"]["resource"]["addr"]
    if is_hook(address):  # under du-infra they do nothing
        return None
    node = node_name(address)
    return Event("changed" if kind == "apply_complete" else "step", stage, text, node)


def problems(messages: Iterable[Mapping[str, Any]]) -> str:
    """Terraform's own words for every error among the messages, each once."""
    found = [message["diagnostic"] for message in messages if message.get("type") == "diagnostic"]
    return "\n".join(dict.fromkeys(_words(one) for one in found if one["severity"] == "error"))


def _warning(diagnostic: Mapping[str, Any], stage: str) -> Event | None:
    if diagnostic["severity"] != "warning" or diagnostic["summary"].startswith(_NOISE):
        return None
    return Event("warning", stage, _words(diagnostic))


def _text(kind: object, hook: Mapping[str, Any]) -> str:
    action, seconds = hook.get("action", ""), hook.get("elapsed_seconds", 0)
    match kind:
        case "apply_start":
            return str(_DOING.get(action, action))
        case "apply_progress":
            return f"{_DOING.get(action, action)}, {seconds} s"
        case "apply_complete":
            return f"{_DONE.get(action, action)} in {seconds} s"
        case "apply_errored":
            return f"{_DOING.get(action, action)} failed after {seconds} s"
        case "provision_progress":
            return str(hook.get("output", ""))
    return ""


def _words(diagnostic: Mapping[str, Any]) -> str:
    address, detail = diagnostic.get("address", ""), diagnostic.get("detail", "").strip()
    head = f"{diagnostic['summary']} ({address})" if address else str(diagnostic["summary"])
    return f"{head}\n{detail}" if detail else head
