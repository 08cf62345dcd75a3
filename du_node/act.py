"""Does one action of a plan."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from du_node import files, gateway, places, probe
from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Pull,
    Remove,
    RemoveImage,
    Restart,
    Run,
    SetRoutes,
    Start,
    StartGateway,
    Stop,
)
from du_node.errors import NodeError
from du_node.runtime.driver import Runtime
from du_node.runtime.labels import slot_name
from du_node.runtime.logs import last_lines
from du_node.state import Container, Service

PASSES = 3
DRAIN_SECONDS = 10.0
_SPARE_DISK_MB = 200
_SPARE_MEMORY_MB = 32


def act(action: Action, tool: Runtime, warn: Callable[[str], None]) -> None:
    """Do ``action``; raises NodeError. Doing it again after a cut does no harm."""
    if isinstance(action, StartGateway):
        gateway.chosen().start()
    elif isinstance(action, Pull):
        need_disk(action.service)
        tool.pull(action.service)
    elif isinstance(action, Run):
        need_memory(action.service)
        _run(tool, action.service, action.slot, action.port)
    elif isinstance(action, Start):
        _start(tool, action, warn)
    elif isinstance(action, Restart):
        count_restart(action.container)
        tool.restart(action.container)
    elif isinstance(action, AwaitReady):
        await_ready(action.container, tool)
    elif isinstance(action, SetRoutes):
        gateway.chosen().set_table(action.table)
    elif isinstance(action, Drain):
        _drain(warn)
    elif isinstance(action, Stop):
        tool.stop(action.container)
    elif isinstance(action, Remove):
        tool.remove(action.container)
    elif isinstance(action, RemoveImage):
        tool.remove_image(action.image)


def need_disk(service: Service, folder: str = "/var/lib/containerd") -> None:
    """Refuse a pull that the disk has no room for: an image takes its size once packed and about twice unpacked."""
    need = _SPARE_DISK_MB + 3 * service.size_mb
    found = os.statvfs(folder if Path(folder).exists() else "/")
    free = found.f_bavail * found.f_frsize >> 20
    if free < need:
        raise NodeError(
            "no-room",
            f"pulling {service.name} needs {need} MB of free disk, and {free} MB are free",
            todo="free some disk on the node, or give it a larger one",
            service=service.name,
        )


def need_memory(service: Service) -> None:
    """Refuse to start a second copy that memory has no room for."""
    need = service.memory_mb or _SPARE_MEMORY_MB
    free = memory_info().get("MemAvailable", need << 10) >> 10
    if free < need:
        raise NodeError(
            "no-room",
            f"starting {service.name} beside the copy that runs needs {need} MB of memory, and {free} MB are free",
            todo="set a smaller `memory` for the service, or use a larger node",
            service=service.name,
        )


def memory_info() -> dict[str, int]:
    """/proc/meminfo in KiB."""
    lines = (line.split() for line in files.read("/proc/meminfo").splitlines())
    return {fields[0].rstrip(":"): int(fields[1]) for fields in lines if len(fields) > 1}


def await_ready(container: Container, tool: Runtime) -> None:
    """Wait for several good answers in a row. Raises NodeError not-ready with the answer and the last log lines."""
    deadline = time.monotonic() + container.start_timeout
    passes, next_look = 0, time.monotonic() + 1.0
    answer = probe.Answer(why="was not asked")
    while time.monotonic() < deadline:
        answer = probe.get(container.port, container.route.ready, 2.0)
        passes = passes + 1 if answer.ok else 0
        if passes >= PASSES:
            return
        if not answer.ok and time.monotonic() > next_look:
            _see_that_it_runs(container, tool)
            next_look = time.monotonic() + 2.0
        time.sleep(0.1)
    raise _not_ready(container, f"after {container.start_timeout} s {explain(container, answer)}")


def explain(container: Container, answer: probe.Answer) -> str:
    """A readiness answer in words."""
    path = container.route.ready
    if answer.refused:
        return "nothing listens on its port: is `port:` right?"
    if not answer.status:
        return f"{path} {answer.why}"
    if answer.status == 404:
        return f"{path} answers 404: is `ready:` right?"
    said = " ".join(answer.body.split())[:80]
    return f"{path} answers {answer.status}" + (f" ({said})" if said else "")


def count_restart(container: Container) -> None:
    """Add one to the restarts of the service's release. The start after a boot, when nothing is noted, is none."""
    counts = files.read_json(places.RESTARTS)
    _note_restarts(container.service, int(counts.get(container.service, -1)) + 1)


def _note_restarts(service: str, count: int) -> None:
    counts = {**files.read_json(places.RESTARTS), service: count}
    files.write(places.RESTARTS, json.dumps(counts))


def _run(tool: Runtime, service: Service, slot: str, port: int) -> None:
    try:
        tool.start_new(service, slot, port)
    except NodeError as trouble:
        tool.remove_name(slot_name(service.name, slot))
        raise trouble
    _note_restarts(service.name, 0)


def _start(tool: Runtime, action: Start, warn: Callable[[str], None]) -> None:
    """Start it as it is; a container that a crash has left unusable is made anew."""
    container = action.container
    count_restart(container)
    try:
        tool.start(container)
    except NodeError as trouble:
        if not action.needed:
            warn(f"{container.service}: {container.slot} cannot be started again ({trouble})")
            return
        if not action.anew:
            raise
        warn(f"{container.service}: {container.slot} cannot be started as it is, so it is made anew ({trouble})")
        tool.remove(container)
        tool.start_new(action.anew, container.slot, container.port)


def _drain(warn: Callable[[str], None]) -> None:
    left = gateway.chosen().drain(DRAIN_SECONDS)
    if left:
        warn(f"connections on {left} old gateway worker(s) are still open after {DRAIN_SECONDS:g} s")


def _see_that_it_runs(container: Container, tool: Runtime) -> None:
    for found in tool.containers():
        if (found.service, found.slot) == (container.service, container.slot):
            if found.running:
                return
            raise _not_ready(container, f"it ended by itself with exit code {found.exit_code}")
    raise _not_ready(container, "its container is gone")


def _not_ready(container: Container, why: str) -> NodeError:
    log = last_lines(container)
    return NodeError(
        "not-ready",
        f"{container.service} {container.tag} did not become ready: {why}",
        todo="look at the log lines below; `ready`, `port` and `start_timeout` are set in fleet.yaml",
        detail=f"last log lines of {container.slot}:\n{log}" if log else "it wrote no log",
        service=container.service,
    )
