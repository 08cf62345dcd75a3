"""Does one action of a plan. Each may be done again after it was cut off, whatever it had come to."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from du_infra.cluster.action import Action, Kind
from du_infra.control.cluster import act_etcd, act_external, backup, vault
from du_infra.control.cluster.act_restore import reset, restore
from du_infra.control.cluster.act_upgrade import upgrade
from du_infra.control.cluster.datastore import EXTERNAL
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.observe import Look
from du_infra.control.cluster.wish import refuse_not_yet
from du_infra.control.context import RegionContext
from du_infra.control.drain import patience
from du_infra.errors import NotReady, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_node.k3s.view import MARK

API_PORT = 6443
JOIN_SECONDS = 300
_TOKEN_LIFE = "15m"  # noqa: S105
_STOP_SECONDS = 240.0
_DRAIN_SECONDS = 120.0
_MARGIN_SECONDS = 60.0
_SHORT_SECONDS = 90.0


@dataclass(frozen=True)
class Work:
    """``seen``: how the cluster was when the step was planned."""

    context: RegionContext
    record: PoolRecord
    nodes: Nodes
    seen: Look

    def do(self, action: Action) -> None:
        """Do it. Raises Refused for what is not done yet, and what du-node, K3s or the provider fail with."""
        refuse_not_yet([action])
        _HANDLERS[action.kind](self, action)

    def api(self, but: str = "") -> Node:
        """A server whose API answers, ``but`` not that one. Raises NotReady when there is none."""
        for name in self.seen.apis:
            if name != but:
                return self.record.named(name)
        raise NotReady("the cluster's API does not answer", todo=f"see `du-infra region status {self.context.name}`")

    def node(self, action: Action) -> Node:
        """The node of an action. Raises Refused for one that the pool does not have."""
        found = next((node for node in self.record.nodes if node.name == action.node), None)
        if found is None:
            raise Refused("the pool has no such node", where=action.node)
        return found

    def leave(self, action: Action) -> None:
        """Have K3s on the node of an action end, and not come back."""
        self.nodes.order(self.node(action), "leave", {}, _STOP_SECONDS)


def _bootstrap(work: Work, action: Action) -> None:
    if action.datastore == EXTERNAL:
        act_external.bootstrap(work, action, JOIN_SECONDS)
        return
    order = {"role": "server", "etcd": action.datastore == "etcd", "seconds": JOIN_SECONDS}
    work.nodes.order(work.node(action), "join", order, JOIN_SECONDS)


def _join_server(work: Work, action: Action) -> None:
    if action.datastore == EXTERNAL:
        act_external.join_server(work, action, JOIN_SECONDS)
    else:
        act_etcd.join_server(work, action, _url(work.api()), JOIN_SECONDS)


def _join_agent(work: Work, action: Action) -> None:
    """With a token for agents that holds for minutes: the servers' own never leaves them."""
    server = work.api()
    words = ["token", "create", "--ttl", _TOKEN_LIFE, "--description", f"du-infra: {action.node} joins"]
    token = work.nodes.k3s(server, words, what="no token could be made").strip()
    act_etcd.forget_role(work, action)
    order = {"role": "agent", "server": _url(server), "token": token, "seconds": JOIN_SECONDS}
    work.nodes.order(work.node(action), "join", order, JOIN_SECONDS)


def _url(server: Node) -> str:
    return f"https://{server.address}:{API_PORT}"


def _start(work: Work, action: Action) -> None:
    again = action.kind == "restart"
    work.nodes.order(work.node(action), "start", {"again": again, "seconds": JOIN_SECONDS}, JOIN_SECONDS)


def _stop(work: Work, action: Action) -> None:
    work.leave(action)


def _halt(work: Work, action: Action) -> None:
    work.context.provider.halt(action.node)


def _drain(work: Work, action: Action) -> None:
    """Marked first: by that one sees later whose cordon it is."""
    server = work.api()
    seconds = max(_DRAIN_SECONDS, math.ceil(patience(work.context) + _MARGIN_SECONDS))
    work.nodes.kubectl(server, ["annotate", "node", action.node, f"{MARK}=true", "--overwrite"])
    words = ["drain", action.node, "--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={seconds:.0f}s"]
    work.nodes.kubectl(server, words, seconds=seconds + _MARGIN_SECONDS, what=f"{action.node} could not be drained")


def _uncordon(work: Work, action: Action) -> None:
    work.nodes.kubectl(work.api(), ["uncordon", action.node])
    work.nodes.kubectl(work.api(), ["annotate", "node", action.node, f"{MARK}-"])


def _delete_node(work: Work, action: Action) -> None:
    words = ["delete", "node", action.node, "--ignore-not-found", "--timeout=60s"]
    work.nodes.kubectl(work.api(), words, seconds=_SHORT_SECONDS)


def _delete_secret(work: Work, action: Action) -> None:
    name = f"{action.node}.node-password.k3s"
    words = ["delete", "secret", name, "-n", "kube-system", "--ignore-not-found", "--timeout=60s"]
    work.nodes.kubectl(work.api(), words, seconds=_SHORT_SECONDS)


def _backup(work: Work, action: Action) -> None:
    backup.take(work.context, work.node(action), work.seen.observed, work.nodes.report)
    backup.tidy(work.context)


def _verify_backup(work: Work, _: Action) -> None:
    for newest in vault.kept(work.context)[:1]:
        backup.verify(work.context, newest, work.nodes.report)


_HANDLERS: Mapping[Kind, Callable[[Work, Action], None]] = {
    "bootstrap": _bootstrap,
    "join-agent": _join_agent,
    "join-server": _join_server,
    "migrate": act_etcd.migrate,
    "undo-migration": act_etcd.undo,
    "annotate-removal": act_etcd.let_go,
    "remove-etcd-member": act_etcd.let_go,
    "follow": _join_agent,
    "start": _start,
    "restart": _start,
    "stop": _stop,
    "halt": _halt,
    "drain": _drain,
    "uncordon": _uncordon,
    "delete-node": _delete_node,
    "delete-secret": _delete_secret,
    "backup": _backup,
    "verify-backup": _verify_backup,
    "upgrade": upgrade,
    "restore": restore,
    "reset": reset,
}
