"""K3s on this node becomes a server or an agent, or starts again as what it is; and is waited for."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from du_node.errors import NodeError
from du_node.fields import get, match, within
from du_node.k3s import files, unit, words
from du_node.k3s.endpoint import endpoint_of
from du_node.k3s.files import Role

_ROLE = re.compile(r"server|agent")
_SERVER = re.compile(r"https://[0-9A-Za-z.:\[\]-]{1,255}")
_SECRET = re.compile(r"[!-~]{16,1024}")
_POLL_SECONDS = 0.5
_JOURNAL_EVERY = 2
_SECONDS = 300
_OTHER: dict[Role, Role] = {"server": "agent", "agent": "server"}


@dataclass(frozen=True)
class Order:
    """``server`` and ``token`` of the cluster to join; none of them: K3s begins one, on ``etcd`` or on sqlite.

    A server on an external ``datastore`` needs its address and the cluster's token, and no other server: the first one
    finds nothing there, the others find the cluster. ``fresh``: it is no member of the cluster's etcd, so that what
    it has of an earlier one goes. ``seconds`` to wait for it.
    """

    role: Role
    server: str = ""
    token: str = ""
    seconds: int = _SECONDS
    datastore: str = ""
    etcd: bool = False
    fresh: bool = False


def order_of(told: dict[str, Any]) -> Order:
    """From {"role", "server", "token", "datastore", "etcd", "fresh", "seconds"}. Raises NodeError bad-wanted."""
    where = "the order"
    role = match(told, "role", _ROLE, where)
    seconds = within(told, "seconds", where, 1, 3600, _SECONDS)
    server = match(told, "server", _SERVER, where) if told.get("server") else ""
    token = get(told, "token", str, where) if told.get("token") else ""
    if token and not _SECRET.fullmatch(token):  # its words are not shown
        raise NodeError("bad-wanted", f"{where}: token is malformed")
    datastore = endpoint_of(told)
    if datastore:
        if role == "agent" or server or not token:
            raise NodeError("bad-wanted", f"{where}: with a datastore a server needs the token, and no other server")
    elif bool(server) != bool(token) or (role == "agent" and not server):
        raise NodeError("bad-wanted", f"{where}: an agent needs server and token, a server both or none")
    etcd = get(told, "etcd", bool, where, False)
    if etcd and (server or datastore or role == "agent"):
        raise NodeError("bad-wanted", f"{where}: etcd is for the server that begins a cluster")
    fresh = get(told, "fresh", bool, where, False)
    if fresh and not (role == "server" and server):
        raise NodeError("bad-wanted", f"{where}: fresh is for a server that joins another")
    return Order("server" if role == "server" else "agent", server, token, seconds, datastore, etcd, fresh)


def join(order: Order, tell: Callable[[str], None]) -> bool:
    """Have K3s run here as ordered; whether anything had to be done for it.

    One that runs in this role is left as it is, unless an agent is to go by another server. Raises NodeError refused
    when the cluster does not take it (then it is set up as nothing, and does not go on trying), not-ready when it is
    not there in time (then it does).
    """
    follows = order.role == "server" or files.server() == order.server
    if files.role() == order.role and unit.service(order.role) == "running" and follows:
        return False
    unit.stop(_OTHER[order.role])
    if order.fresh:
        _forget_etcd()
    files.set_up(order.role, order.server, order.token, order.datastore, etcd=order.etcd)
    tell(f"K3s starts as {'a server' if order.role == 'server' else 'an agent'}")
    try:
        started(order.role, order.seconds, again=True)
    except NodeError as trouble:
        if trouble.kind == "refused":
            unit.stop(order.role)
            files.forget()
        raise
    return True


def _forget_etcd() -> None:
    """A member that was let go, or left behind by a reset, has no way back: it joins as a new one.

    K3s does so by itself only where it ran when it was let go (docs.k3s.io, "k3s etcd-snapshot": delete server/db).
    """
    unit.stop("server")
    files.forget_etcd()


def start(seconds: int, tell: Callable[[str], None], *, again: bool = False) -> bool:
    """Have K3s run as what it is set up as; ``again``: from the beginning. Whether it had to be started.

    Raises NodeError refused when it is set up as nothing, and what :func:`join` does.
    """
    role = files.role()
    if not role:
        raise NodeError("refused", "K3s is not set up on this node", todo="run `du-infra region up`")
    if unit.service(role) == "running" and not again:
        return False
    tell(f"K3s starts{' again' if again else ''}")
    started(role, seconds, again=again)
    return True


def started(role: Role, seconds: int, *, again: bool, falls: int = 0) -> None:
    """Start K3s and wait until it is up. Raises NodeError refused, not-ready (it goes on trying then).

    ``falls``: after so many ends of it nobody waits any longer; 0: however often.
    """
    began, deadline, looks = time.time(), time.monotonic() + seconds, 0
    unit.start(role, again=again)
    while unit.service(role) != "running":
        time.sleep(_POLL_SECONDS)
        looks += 1
        if looks % _JOURNAL_EVERY == 0 and (refused := words.refusal(unit.journal(role, began))):
            raise refused
        fallen = falls and unit.restarts(role) >= falls
        if fallen or time.monotonic() > deadline:
            what = f"K3s has ended {falls} times" if fallen else f"K3s has not come up within {seconds} s"
            raise _late(role, what, unit.journal(role, began))


def _late(role: Role, what: str, said: list[str]) -> NodeError:
    why = words.trouble(said)
    text = what + (f": {why}" if why else "")
    tail = "\n".join(words.plain(line) for line in said[-15:])
    todo = f"see `journalctl -u {unit.UNITS[role]}` there; run the same command again to go on waiting"
    return NodeError("not-ready", text, todo=todo, detail=tail)
