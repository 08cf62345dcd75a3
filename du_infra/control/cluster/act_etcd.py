"""Actions on the members of K3s's embedded etcd. K3s adds, promotes and removes them; it is asked by a Node's words."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from du_infra.cluster.action import Action
from du_infra.control.cluster.token import SERVER_TOKEN
from du_infra.errors import NotReady, Refused
from du_node.k3s.view import REMOVE, REMOVED

if TYPE_CHECKING:
    from du_infra.control.cluster.act import Work

_ROLES = ("control-plane", "master", "etcd")

_MOVE_SECONDS = 300
_REMOVED_SECONDS = 90.0
_POLL_SECONDS = 1.0


def join_server(work: Work, action: Action, url: str, seconds: int) -> None:
    """With the servers' own token, which goes from one server to the other by SSH's standard input."""
    token = work.nodes.read(work.api(), SERVER_TOKEN).strip()
    member = work.seen.observed.find(action.node)
    fresh = member is None or member.etcd is None
    order = {"role": "server", "server": url, "token": token, "fresh": fresh, "seconds": seconds}
    work.nodes.order(work.node(action), "join", order, seconds)


def migrate(work: Work, action: Action) -> None:
    """The API is away until K3s has moved its data."""
    work.nodes.order(work.node(action), "migrate", {"seconds": _MOVE_SECONDS}, _MOVE_SECONDS)


def undo(work: Work, action: Action) -> None:
    """Back to sqlite."""
    work.nodes.order(work.node(action), "undo", {"seconds": _MOVE_SECONDS}, _MOVE_SECONDS)


def let_go(work: Work, action: Action) -> None:
    """Have etcd take a server out of its list, by way of another server: its own API ends with it.

    One that runs is stopped at once: K3s ends without its etcd, and would join again when it is started anew.
    Raises Refused for a member without a Node, NotReady when etcd has not done it in time.
    """
    member = work.seen.observed.find(action.node)
    if member is not None and member.node == "absent":
        raise Refused(
            "is a member of etcd and has no Node: K3s takes out a member by its Node alone",
            where=action.node,
            todo="take it out with etcdctl (`etcdctl member remove`), on a server and with the certificates in "
            "/var/lib/rancher/k3s/server/tls/etcd",
        )
    server = work.api(but=action.node)
    work.nodes.kubectl(server, ["annotate", "node", action.node, f"{REMOVE}=true", "--overwrite"])
    deadline = time.monotonic() + _REMOVED_SECONDS
    while time.monotonic() < deadline:
        told = (work.nodes.state(server) or {}).get("etcd") or {}
        members = told.get("members")
        if members is not None and all(one["name"] != action.node for one in members):
            if action.kind == "annotate-removal":
                work.leave(action)
            return
        time.sleep(_POLL_SECONDS)
    raise NotReady(
        f"etcd has not let it go within {_REMOVED_SECONDS:g} s",
        where=action.node,
        todo=f"run the same command again; see the journal of k3s.service on {server.name}",
    )


def forget_role(work: Work, action: Action) -> None:
    """A server's Node is to look like an agent's once it is none: K3s leaves its marks there."""
    member = work.seen.observed.find(action.node)
    if member is None or member.role != "server" or member.node not in ("ready", "not-ready"):
        return
    labels = [f"node-role.kubernetes.io/{role}-" for role in _ROLES]
    work.nodes.kubectl(work.api(), ["label", "node", action.node, *labels])
    work.nodes.kubectl(work.api(), ["annotate", "node", action.node, f"{REMOVE}-", f"{REMOVED}-"])
