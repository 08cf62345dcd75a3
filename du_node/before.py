"""``du-node before``: runs a command once in a release's image, before the release gets any request.

It is meant for migrations. The command runs as a container of its own, with the service's environment, secrets and
volumes. What was asked for is known by its ``attempt``: a du-node that is called again with the same one waits for
the command that still runs, or reports how it ended, and never runs it twice. How it ended is kept in a file of its
own (attempt, image, held, why, log), and the container is removed: ``why`` is there from the end of the command on, and
"" if it ended well; ``held`` says that the container is there and the image must not be removed.

``du-node before --stop`` ends the command, because its release is given up; one that has not begun never will.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from du_node import files, places, processes, runtime
from du_node.cgroups import OomKills, memory_of
from du_node.errors import NodeError
from du_node.fields import get, match, number
from du_node.preflight import need_architecture, need_disk, need_memory
from du_node.runtime.driver import Runtime, state_at_end
from du_node.runtime.labels import before_name
from du_node.state import Service
from du_node.wanted import parse_service

LOG = "before"
_PATIENCE = 10.0
_PATIENCE_NOW = 60.0
_ATTEMPT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
_LONGEST = 86400.0
_STOPPED = "was stopped, because the release is given up"


@dataclass(frozen=True)
class Order:
    """What is to be run; ``timeout`` in seconds, counted from the command's start."""

    attempt: str
    service: Service
    command: tuple[str, ...]
    timeout: float

    @property
    def shown(self) -> str:
        """The command, short enough for a line."""
        return shlex.join(self.command)[:80]


def before(text: str) -> str:
    """Do the order in ``text`` (JSON: attempt, service, command, timeout), or go on with it; the end of its log.

    Raises NodeError before when the command fails, takes too long or cannot be known to have ended well.
    """
    order = parse(text)
    record = _record(order.service.name)
    if record.get("attempt") != order.attempt or record.get("held"):
        _begin(order)
        record = _finish(order)
    if record["why"]:
        raise _failed(order, record)
    return str(record["log"])


def stop(text: str) -> bool:
    """End what the order in ``text`` began, with its grace period; false when it had ended by itself.

    A du-node that waits for the command, or still fetches its image, ends too. Raises NodeError tool.
    """
    order = parse(text)
    lock = files.Lock("before", now=True)
    lock.take(_PATIENCE_NOW)
    try:
        tool = runtime.chosen(lock.descriptor)
        tool.ensure()
        return _stop(order, tool)
    finally:
        lock.free()


def parse(text: str) -> Order:
    """The order in ``text``. Raises NodeError bad-wanted that names the field."""
    try:
        data = json.loads(text)
    except ValueError as bad:
        raise NodeError("bad-wanted", f"the order is not JSON: {bad}") from bad
    if not isinstance(data, dict):
        raise NodeError("bad-wanted", "the order must be an object")
    command = get(data, "command", list, "before")
    if not command or not all(isinstance(word, str) and "\0" not in word for word in command):
        raise NodeError("bad-wanted", "before: command must be a list of texts, and not empty")
    return Order(
        attempt=match(data, "attempt", _ATTEMPT, "before"),
        service=parse_service(data.get("service")),
        command=tuple(command),
        timeout=number(data, "timeout", "before", 1, _LONGEST, 300.0),
    )


def images_in_use() -> frozenset[str]:
    """Images that such a command runs in: nothing may remove them now."""
    found = (files.read_json(str(path)) for path in sorted(Path(places.BEFORE).glob("*.json")))
    return frozenset(record["image"] for record in found if record.get("held"))


def _begin(order: Order) -> None:
    """Have the command run, unless it does, or has, already. Nothing else changes the node meanwhile."""
    lock = files.Lock("before")
    lock.take(_PATIENCE)
    try:
        tool = runtime.chosen(lock.descriptor)
        tool.ensure()
        _start(order, tool)
    finally:
        lock.free()


def _start(order: Order, tool: Runtime) -> None:
    service, name = order.service, before_name(order.service.name)
    record = _record(service.name)
    if record.get("attempt") != order.attempt:
        tool.remove_name(name)
        record = {"attempt": order.attempt, "image": service.image, "held": True}
        _write(service.name, record)
    if "why" in record or tool.state(name).exists:
        return
    try:
        _fetch(service, tool)
        tool.start_before(service, order.attempt, order.command)
    except NodeError as trouble:
        tool.remove_name(name)
        _write(service.name, {})  # nothing ran: the image is free, and the attempt may be made again
        if trouble.kind != "tool":
            raise
        raise _failed(order, {"why": "could not be started", "log": trouble.detail}) from trouble


def _stop(order: Order, tool: Runtime) -> bool:
    """What is written down first tells everybody that this attempt is over, wherever we are killed."""
    service, name = order.service, before_name(order.service.name)
    record = _record(service.name)
    if record.get("attempt") != order.attempt:
        record = {"attempt": order.attempt, "image": service.image, "held": True}
    stopped = record.get("why") in (None, _STOPPED)
    if stopped:
        record = {"log": "", **record, "why": _STOPPED}
        _write(service.name, record)
        state = tool.state(name)
        if state.running:
            _end(state.pid, service.stop_grace)
        if state.exists:
            record["log"] = tool.last_lines(service.name, LOG)
    tool.remove_name(name)
    _write(service.name, {**record, "held": False})
    return stopped


def _fetch(service: Service, tool: Runtime) -> None:
    need_memory(service)
    if service.image not in tool.images():
        need_disk(service, tool.storage)
        tool.pull(service)
    need_architecture(service, tool)


def _finish(order: Order) -> dict[str, Any]:
    """Wait for the end of the command and write down how it was; the container goes."""
    tool, service = runtime.chosen(), order.service.name
    why = _await_end(order, tool)
    record = _record(service)
    if record.get("attempt") != order.attempt:
        text = f"{service}: another attempt has begun in the place of this one"
        raise NodeError("before", text, todo="see who else releases", service=service)
    if "why" not in record:  # else another du-node that waited for the same has written it
        record = {**record, "why": why, "log": tool.last_lines(service, LOG)}
        _write(service, record)
    tool.remove_name(before_name(service))
    _write(service, {**record, "held": False})
    return record


def _await_end(order: Order, tool: Runtime) -> str:
    """Why the command failed; "" when it ended well."""
    name = before_name(order.service.name)
    tool.ensure()
    state = tool.state(name)
    kills = OomKills(memory_of(state.pid) if state.running else None)
    if state.running and not processes.wait(state.pid, order.timeout - processes.age(state.pid)):
        _end(state.pid, order.service.stop_grace)
        return f"took more than {order.timeout:g} s and was ended"
    state = state_at_end(tool, name)
    if kills.ended(state.exit_code, state.oom):
        return "was killed because memory ran out"
    if not state.exists or state.exit_code < 0:
        return "was cut off, and how far it came is not known"
    return f"ended with exit code {state.exit_code}" if state.exit_code else ""


def _end(pid: int, grace: float) -> None:
    """SIGTERM and the grace period; whoever still lives goes with the container."""
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return
    processes.wait(pid, grace)


def _failed(order: Order, record: dict[str, Any]) -> NodeError:
    return NodeError(
        "before",
        f"{order.service.name}: `{order.shown}`, which runs before {order.service.tag} goes live, {record['why']}",
        todo="no request went to the new release: look at the log lines above, and start it again",
        detail=f"last log lines:\n{record['log']}" if record["log"] else "it wrote no log",
        service=order.service.name,
    )


def _path(service: str) -> str:
    return f"{places.BEFORE}/{service}.json"


def _record(service: str) -> dict[str, Any]:
    """What is known of the last attempt; with ``why`` it has ended, well if that is ""."""
    return files.read_json(_path(service))


def _write(service: str, record: dict[str, Any]) -> None:
    files.write(_path(service), json.dumps(record))
