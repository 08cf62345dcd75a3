"""The verbs of ``du-node k3s``: an order as JSON on standard input, lines of JSON as output.

join       {"role", "server", "token", "datastore", "etcd", "fresh", "seconds"}
                                   K3s becomes that; without server, and on an empty datastore, it begins a cluster
start      {"again", "seconds"}    K3s runs as what it is set up as
datastore  {"datastore", "seconds"}
                                   a server uses that address of its external datastore
migrate    {"seconds"}             a server moves its data from sqlite to etcd
undo       {"seconds"}             it goes back to sqlite after a move that failed
reset      {"seconds"}             a server's etcd forgets all other members, and K3s runs on what it has
upgrade    {"version", "seconds"}  K3s of another version, which is on the node, takes its place
leave      {}                      K3s ends, and does not come back
access     {"ca", "token", "others"}
                                   du-node's own credentials are kept
copies     {"copies", "nodes"}     so many copies of services; slots of no node of these are removed
state      {}                      one object: how K3s stands, and on a server the cluster
restore    an archive, as backup makes it
                                   K3s becomes the server on what is in it
backup     {}                      an archive (du_node.k3s.archive) of what a server keeps; no lines
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

from du_node.errors import NodeError
from du_node.fields import get, within
from du_node.say import say

_SECONDS = 300


def work(verb: str, order: str) -> None:
    """Do it and say how it ended. Raises NodeError."""
    _timed(lambda: _VERBS[verb](_read(order)))


def show_state() -> None:
    """One object on standard output, and no other line. Raises NodeError."""
    from du_node.k3s.state import state

    sys.stdout.write(json.dumps(state()) + "\n")


def write_backup() -> None:
    """The archive on standard output, and no line. Raises NodeError."""
    from du_node.k3s.backup import backup

    backup(sys.stdout.buffer)
    sys.stdout.buffer.flush()


def restore_backup() -> None:
    """From the archive on standard input. Raises NodeError."""
    from du_node.k3s.restore import restore

    _timed(lambda: restore(sys.stdin.buffer, _tell))


APART: dict[str, Callable[[], None]] = {"state": show_state, "backup": write_backup, "restore": restore_backup}
"""Verbs that take no order as JSON, or whose output is not lines."""


def known(verb: str) -> bool:
    """Whether there is such a verb."""
    return verb in _VERBS or verb in APART


def _timed(do: Callable[[], bool]) -> None:
    began = time.monotonic()
    changed = do()
    say(kind="result", ok=True, changed=changed, seconds=round(time.monotonic() - began, 3))


def _read(order: str) -> dict[str, Any]:
    try:
        data = json.loads(order or "{}")
    except ValueError:  # its words would show a part of the text
        data = None
    if not isinstance(data, dict):
        raise NodeError("bad-wanted", "the order must be a JSON object")
    return data


def _join(order: dict[str, Any]) -> bool:
    from du_node.k3s.join import join, order_of

    return join(order_of(order), _tell)


def _start(order: dict[str, Any]) -> bool:
    from du_node.k3s.join import start

    seconds = within(order, "seconds", "the order", 1, 3600, _SECONDS)
    return start(seconds, _tell, again=get(order, "again", bool, "the order", False))


def _upgrade(order: dict[str, Any]) -> bool:
    from du_node.k3s.upgrade import upgrade

    return upgrade(order, _tell)


def _datastore(order: dict[str, Any]) -> bool:
    from du_node.k3s.datastore import keep

    return keep(order, _tell)


def _migrate(order: dict[str, Any]) -> bool:
    from du_node.k3s.move import migrate

    return migrate(within(order, "seconds", "the order", 1, 3600, _SECONDS), _tell)


def _undo(order: dict[str, Any]) -> bool:
    from du_node.k3s.move import undo

    return undo(within(order, "seconds", "the order", 1, 3600, _SECONDS), _tell)


def _reset(order: dict[str, Any]) -> bool:
    from du_node.k3s.reset import reset

    return reset(within(order, "seconds", "the order", 1, 3600, _SECONDS), _tell)


def _leave(_: dict[str, Any]) -> bool:
    from du_node.k3s import unit
    from du_node.k3s.files import role

    there = role()
    unit.stop("agent")
    unit.stop("server")
    return there != ""


def _access(order: dict[str, Any]) -> bool:
    from du_node.k3s.access import keep

    return keep(order)


def _copies(order: dict[str, Any]) -> bool:
    from du_node.runtime.k3s.counts import order_of, settle

    return settle(*order_of(order), _tell)


def _tell(text: str) -> None:
    say(kind="step", text=text)


_VERBS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "join": _join,
    "start": _start,
    "upgrade": _upgrade,
    "datastore": _datastore,
    "migrate": _migrate,
    "undo": _undo,
    "reset": _reset,
    "leave": _leave,
    "access": _access,
    "copies": _copies,
}
