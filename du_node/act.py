"""Does one action of a plan."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from du_node import gateway, settings
from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Observe,
    Preflight,
    Pull,
    Remove,
    RemoveImage,
    Restart,
    Run,
    SetRoutes,
    Start,
    StartGateway,
    Stop,
    WarmUp,
)
from du_node.errors import NodeError
from du_node.gateway.driver import connections
from du_node.gateway.turn import turn
from du_node.preflight import need_architecture, need_memory, preflight
from du_node.readiness import await_ready
from du_node.restarts import count_restart, note_restarts
from du_node.rotation import usable
from du_node.runtime.driver import Runtime
from du_node.runtime.labels import slot_name
from du_node.state import Container, Service
from du_node.table import Table, with_peers

_LOOK = 0.05

Tell = Callable[..., None]
"""Says one line of output: its fields by name."""


def act(action: Action, tool: Runtime, tell: Tell) -> dict[str, Any]:
    """Do ``action``; what belongs into the service's report. Raises NodeError.

    Doing it again after a cut does no harm.
    """
    if isinstance(action, StartGateway):
        gateway.chosen().start()
    elif isinstance(action, SetRoutes):
        _set_routes(action.table)
    elif isinstance(action, AwaitReady):
        await_ready(action.container, tool, action.passes)
    elif isinstance(action, WarmUp | Observe):
        return _try_out(action, tool, tell)
    elif isinstance(action, Drain):
        _drain(action.container, action.seconds)
    elif isinstance(action, Stop):
        return _stop(tool, action, tell)
    else:
        _handle(action, tool, tell)
    return {}


def _handle(action: Preflight | Pull | Run | Start | Restart | Remove | RemoveImage, tool: Runtime, tell: Tell) -> None:
    """What concerns images and containers alone."""
    if isinstance(action, Preflight):
        preflight(action.service, tool, pull=action.pull)
    elif isinstance(action, Pull):
        tool.pull(action.service)
        need_architecture(action.service, tool)
    elif isinstance(action, Run):
        need_memory(action.service)
        _run(tool, action.service, action.slot, action.port)
    elif isinstance(action, Start):
        _start(tool, action, tell)
    elif isinstance(action, Restart):
        count_restart(action.container)
        tool.restart(action.container)
    elif isinstance(action, Remove):
        tool.remove(action.container)
    else:
        tool.remove_image(action.image)


def _set_routes(table: Table) -> None:
    """With the peers of this moment: since the plan was made one may have died, or come."""
    with turn():
        peers = usable([item.service for item in table])
        gateway.chosen().set_table(with_peers(table, peers, shared=bool(settings.peers())))


def _try_out(action: WarmUp | Observe, tool: Runtime, tell: Tell) -> dict[str, Any]:
    """Imported only where a release asks for it: most runs do without."""
    if isinstance(action, WarmUp):
        from du_node.warm_up import warm_up

        warm_up(action.container, action.path)
        return {}
    from du_node.observation.watch import observe
    from du_node.others import Others

    others = Others(action.new, tool, lambda text: tell(kind="warning", text=text))

    def told(line: dict[str, Any]) -> None:
        tell(**line)
        others.look()

    return observe(action.new, action.old, action.rollout, action.share, tool, told)


def _drain(container: Container, seconds: float) -> None:
    """Wait until nothing is connected to the slot, at most ``seconds``."""
    entrance, deadline = gateway.chosen(), time.monotonic() + seconds
    while connections(entrance, container) and time.monotonic() < deadline:
        time.sleep(_LOOK)


def _stop(tool: Runtime, action: Stop, tell: Tell) -> dict[str, Any]:
    container = action.container
    left = connections(gateway.chosen(), container)
    if left and not action.cut:
        tell(kind="warning", text=f"{container.service}: {container.slot} runs on for {left} open connection(s)")
        return {}
    tool.stop(container)
    if left:
        tell(kind="warning", text=f"{container.service}: {left} open connection(s) to {container.slot} were cut")
    return {"cut": left}


def _run(tool: Runtime, service: Service, slot: str, port: int) -> None:
    try:
        tool.start_new(service, slot, port)
    except NodeError as trouble:
        tool.remove_name(slot_name(service.name, slot))
        raise trouble
    note_restarts(service.name, 0)


def _start(tool: Runtime, action: Start, tell: Tell) -> None:
    """Start it as it is; a container that a crash has left unusable is made anew."""
    container = action.container
    count_restart(container)
    try:
        tool.start(container)
    except NodeError as trouble:
        text = f"{container.service}: {container.slot} cannot be started"
        if not action.needed:
            tell(kind="warning", text=f"{text} again ({trouble})")
            return
        if not action.anew:
            raise
        tell(kind="warning", text=f"{text} as it is, so it is made anew ({trouble})")
        tool.remove(container)
        tool.start_new(action.anew, container.slot, container.port)
