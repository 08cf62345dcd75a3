"""A look at a region's cluster: what the provider, the nodes' own K3s, the API and the store say, put together."""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from du_infra.cluster.state import (
    Backup,
    Datastore,
    EtcdMember,
    MachineState,
    Member,
    Migration,
    NodeObject,
    Observed,
    Role,
    Service,
)
from du_infra.control.cluster import vault
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.votes import migration_of, votes
from du_infra.control.context import RegionContext
from du_infra.parallel import each
from du_infra.pool.names import is_node_of
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Reporter
from du_infra.store.clusters import Cluster

SETTLES_SECONDS = 60.0
"""How long a K3s that has come up may take until its Node is there."""

Told = Mapping[str, Any]


@dataclass(frozen=True)
class Look:
    """``observed``, and what the planner need not know.

    ``apis``: the servers through which the API answered. ``by_hand``: Nodes that somebody else than du-infra has
    cordoned. ``why``: by name, what keeps a node's K3s from running, as it says itself. ``stale``: by name, files of a
    K3s that changed since it started.
    """

    observed: Observed
    apis: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    why: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def api(self) -> str:
        """A server through which the API answered, "" for none."""
        return next(iter(self.apis), "")


def look(context: RegionContext, record: PoolRecord, report: Reporter, silent: Collection[str] = ()) -> Look:
    """Look at the cluster of ``record``'s nodes. Those that are known to be dead, or are ``silent``, are not asked.

    Raises EngineFailed or Unreachable when the provider fails.
    """
    owner, nodes = context.store.owner(), Nodes(context, report)
    machines = {m.name: m.status for m in context.provider.machines() if m.owner == owner and m.region == context.name}
    dead = {*context.dead, *silent}
    asked = [n for n in record.nodes if n.name not in dead and machines.get(n.name) == "running"]
    told = {node.name: said for node, said in zip(asked, each(nodes.state, asked), strict=True) if said}
    there = [name for name, said in told.items() if said.get("cluster")]
    cluster = told[there[0]]["cluster"] if there else None
    names = [node.name for node in record.nodes]
    if cluster:
        names += _named(cluster)
    known = context.store.clusters.known(context.name)
    addresses = {node.name: node.address for node in record.nodes}
    members = votes(told, known, {address: name for name, address in addresses.items()})
    names += [name for name in members if name not in names]
    names = [name for name in names if is_node_of(context.fleet.fleet, context.name, name)]
    found = Facts(machines, told, cluster, known, dead, members, addresses)
    newest = next(iter(vault.kept(context)), None)
    backup = Backup(newest.made, newest.verified) if newest else None
    return Look(
        observed=replace(found.observed(dict.fromkeys(names)), backup=backup, now=time.time()),
        apis=tuple(there),
        by_hand=tuple(n["name"] for n in _nodes(cluster) if n["cordoned"] and not n["marked"]),
        why={name: str(said["why"]) for name, said in told.items() if said.get("why")},
        stale={name: tuple(said["stale"]) for name, said in told.items() if said.get("stale")},
    )


@dataclass(frozen=True)
class Facts:
    """Who says what: the provider of machines (name → status), each node of its K3s, the API of its Nodes (None when
    it does not answer), the store of the cluster that there has been, health of the dead, etcd of its members, the
    pool of its addresses (by name). Pure.
    """

    machines: Mapping[str, str]
    told: Mapping[str, Told]
    cluster: Told | None
    known: Cluster | None = None
    dead: Collection[str] = ()
    votes: Mapping[str, EtcdMember] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)

    def observed(self, names: Iterable[str]) -> Observed:
        """What that amounts to."""
        members = tuple(self.member(name) for name in names)
        kinds = {m.datastore for m in members if m.role == "server" and m.datastore}
        kept = _datastore(self.known.datastore) if self.known else ""
        return Observed(
            members=tuple(replace(m, astray=self._is_astray(m, members), blind=self._is_blind(m)) for m in members),
            api=self.cluster is not None,
            born=self.known is not None or self.cluster is not None,
            datastore=kinds.pop() if len(kinds) == 1 else kept,
            migration=_migration(migration_of(self.told.values())),
        )

    def member(self, name: str) -> Member:
        """Everything that is known under one name."""
        told, row = self.told.get(name), self._row(name)
        role = _role(told["role"]) if told else self._role_of_silent(name, row)
        node: NodeObject = "unknown" if self.cluster is None else _node(row)
        secret = name in (self.cluster or {}).get("passwords", ())
        remembered = self.known is not None and name in self.known.servers
        # What is on the disk of a machine that is set up as nothing is no membership.
        joined = row is not None or secret or remembered or bool(told and role and told["joined"])
        return Member(
            name=name,
            machine=self._machine(name),
            answers=told is not None,
            dead=name in self.dead,
            role=role,
            service=_service(told, node) if told else "unknown",
            node=node,
            cordoned=bool(row and row["cordoned"]),
            drained=bool(row and row["drained"]),
            version=plain_version(str(row["version"])) if row else "",
            program=plain_version(str(told.get("version") or "")) if told else "",
            datastore=self._datastore_of(name, told, role),
            etcd=self.votes.get(name),
            removing=bool(row and row["removing"] and name in self.votes),
            joined=joined,
            secret=secret,
        )

    def _is_astray(self, member: Member, members: Iterable[Member]) -> bool:
        """Whether an agent goes by an address that none of the pool's servers has."""
        url = str(self.told.get(member.name, {}).get("server") or "")
        there = {m.name for m in members if m.role == "server" and m.machine != "gone" and not m.dead}
        known = {self.addresses[name] for name in there & self.addresses.keys()}
        return member.role == "agent" and bool(url and known) and urlsplit(url).hostname not in known

    def _is_blind(self, member: Member) -> bool:
        """Whether an agent's K3s has run for longer than etcd has the data that was in sqlite before."""
        moved = [said["moved_s"] for said in self.told.values() if said.get("moved_s") is not None]
        up = self.told.get(member.name, {}).get("up_s") or 0.0
        return member.role == "agent" and any(up > seconds for seconds in moved)

    def _machine(self, name: str) -> MachineState:
        status = self.machines.get(name)
        return "gone" if status is None else "running" if status == "running" else "stopped"

    def _row(self, name: str) -> Told | None:
        return next((row for row in _nodes(self.cluster) if row["name"] == name), None)

    def _role_of_silent(self, name: str, row: Told | None) -> Role:
        if row is not None:
            return "server" if row["server"] else "agent"
        return "server" if self.known and name in self.known.servers else ""

    def _datastore_of(self, name: str, told: Told | None, role: Role) -> Datastore:
        if role != "server":
            return ""
        if told:
            return _datastore(str(told["datastore"]))
        return _datastore(self.known.datastore) if self.known and name in self.known.servers else ""


def plain_version(text: str) -> str:
    """The release in a version that may say more ("v1.34.4-rc1+k3s1-own" → "v1.34.4-rc1+k3s1")."""
    found = re.match(r"v\d+\.\d+\.\d+(?:-rc\d+)?\+k3s\d+", text)
    return found[0] if found else text


def _named(cluster: Told) -> list[str]:
    return [*(str(row["name"]) for row in _nodes(cluster)), *map(str, cluster["passwords"])]


def _nodes(cluster: Told | None) -> list[Told]:
    return list(cluster["nodes"]) if cluster else []


def _role(text: str) -> Role:
    return "server" if text == "server" else "agent" if text == "agent" else ""


def _node(row: Told | None) -> NodeObject:
    return "absent" if row is None else "ready" if row["ready"] else "not-ready"


def _service(told: Told, node: NodeObject) -> Service:
    """One that has just come up and has no Node yet is on its way: only later does a missing Node mean anything."""
    if told["service"] == "running" and node == "absent" and told["up_s"] < SETTLES_SECONDS:
        return "starting"
    services: dict[str, Service] = {
        "running": "running",
        "starting": "starting",
        "stopped": "stopped",
        "disabled": "disabled",
        "failed": "failed",
    }
    return services.get(str(told["service"]), "unknown")


def _migration(text: str) -> Migration:
    kinds: dict[str, Migration] = {"failed": "failed", "undone": "undone"}
    return kinds.get(text, "")


def _datastore(text: str) -> Datastore:
    kinds: dict[str, Datastore] = {"sqlite": "sqlite", "etcd": "etcd", "external": "external"}
    return kinds.get(text, "")
