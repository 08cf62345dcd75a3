"""``du-node drain``: this node takes no new requests, and what it has under way comes to its end. And the way back.

The flag comes first and stays, whatever becomes of this process: ``serve`` tells the other nodes, which send nothing
here from then on, and gives them the region's address. Then connections that clients keep open are told to close.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from du_node import files, gateway, handover, places, rotation, settings, sockets
from du_node.errors import NodeError
from du_node.gateway import parting
from du_node.observation import access
from du_node.say import say
from du_node.status import peers

CUT_AFTER = 30.0
_NOTICE = 2.5
_QUIET = 1.0
_VIP_TIME = 10.0
_LOOK = 0.2
_MOMENTS = 5
_WEB = (80, 443)


def drain(cut_after: float = CUT_AFTER) -> int:
    """Ask for no more requests and wait for the end of those that there are, ``cut_after`` seconds at most.

    Returns how many connections are still open then. Alone, a node has nobody to send requests to: it is marked, and
    serves on. An ``undrain`` meanwhile ends it. Raises NodeError tool, gateway; what was done by then stays done.
    """
    others = any(peer["up"] and not peer["draining"] for peer in peers())
    front = handover.holds_vip()
    if others and front:
        _try(handover.keep)
    _mark()
    if not others:
        _warn("no other node is there to take the requests: this one serves on")
        return 0
    with _step("let the other nodes take the requests"):
        _await_the_others()
    with _step(f"let the connections end ({cut_after:g} s at most)"):
        parting.ask_to_leave(settings.gateway())
        left = _await_the_end(cut_after)
        _try(handover.end)
    if _taken_back():
        parting.welcome(settings.gateway())  # whichever of the two came last
        _warn("the drain was taken back: this node takes requests again")
        return 0
    if left:
        _warn(f"{left} open connection(s) have not ended")
    return left


def undrain() -> None:
    """Take requests again. Raises NodeError tool."""
    handover.end()
    Path(places.DRAINED).unlink(missing_ok=True)
    parting.welcome(settings.gateway())


def _mark() -> None:
    if not files.stamp(places.DRAINED):
        files.write(places.DRAINED, json.dumps({"drained": True}) + "\n")


def _taken_back() -> bool:
    return not files.stamp(places.DRAINED)


def _await_the_others() -> None:
    """Until they have had time to see it, and until one of them has the region's address."""
    began = time.monotonic()
    while not _taken_back() and (time.monotonic() - began < _NOTICE or handover.holds_vip()):
        if time.monotonic() - began > _VIP_TIME:
            _warn("no other node takes the region's address, so requests still come here")
            return
        time.sleep(_LOOK)


def _await_the_end(seconds: float) -> int:
    """Until nothing is connected and no request has ended for a second; what is connected after ``seconds``."""
    log = access.Tail()
    deadline = quiet_since = asked_since = time.monotonic()
    deadline += seconds
    kind = settings.gateway()
    while True:
        left, now = _open(), time.monotonic()
        if left or any(attempts for _, attempts in map(access.parse, log.lines())):
            quiet_since = now
        if not left or not parting.all_idle(kind):
            asked_since = now
        elif now - asked_since >= _QUIET:
            parting.end_idle(_WEB)
            asked_since = now
        if now - quiet_since >= _QUIET or now >= deadline or _taken_back():
            return _callers() if left else 0
        time.sleep(_LOOK)


def _callers() -> int:
    """Connections of clients, and of the other nodes' gateways on behalf of theirs.

    A question that another node asks is over in no time: what is there at each of a few moments is none.
    """
    asked = []
    for _ in range(_MOMENTS):
        asked.append(sockets.from_clients((places.PEER_PORT,)))
        time.sleep(_LOOK / _MOMENTS)
    return sockets.from_clients(_WEB) + min(asked)


def _open() -> int:
    """Connections of clients to the gateway, or of any gateway's to this node's copies, whichever are more."""
    entrance = gateway.chosen()
    routed = rotation.stored(entrance.kind)
    ports = {side.port for item in routed for side in (*item.upstreams, item.primary.unready) if side}
    return max(sockets.from_clients(_WEB), sum(entrance.connections(port) for port in ports))


def _try(work: Callable[[], None]) -> None:
    """What only spares connections must not stop the drain."""
    try:
        work()
    except NodeError as trouble:
        _warn(f"open connections to the region's address may be cut: {trouble}")


@contextmanager
def _step(text: str) -> Iterator[None]:
    began = time.monotonic()
    say(kind="step", text=text)
    yield
    say(kind="done", text=text, seconds=round(time.monotonic() - began, 3))


def _warn(text: str) -> None:
    say(kind="warning", text=text)
