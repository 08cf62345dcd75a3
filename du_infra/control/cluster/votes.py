"""Who is a member of etcd: by its own list, or, while it has no majority, by what is remembered. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from du_infra.cluster.state import EtcdMember, Observed
from du_infra.store.clusters import Cluster

ETCD = "etcd"

Told = Mapping[str, Any]


def votes(told: Mapping[str, Told], known: Cluster | None, addresses: Mapping[str, str]) -> dict[str, EtcdMember]:
    """Name → member of etcd. ``told``: what each node's du-node says; ``addresses``: address → name, in the pool.

    A member that has not started yet has no name and is known by its address; one of neither is nobody's, and K3s
    itself drops it after a while.
    """
    lists = [members for said in told.values() if (members := _etcd(said).get("members")) is not None]
    if lists:
        named = {str(one["name"]) or addresses.get(str(one["address"]), ""): bool(one["learner"]) for one in lists[0]}
    else:
        named = dict.fromkeys(_remembered(told, known), False)
    return {
        name: EtcdMember(healthy=bool(_etcd(told.get(name, {})).get("healthy")), learner=learner)
        for name, learner in named.items()
        if name
    }


def _remembered(told: Mapping[str, Told], known: Cluster | None) -> list[str]:
    """The servers as last seen; before the first look after a move to etcd only those that have made it."""
    servers = known.servers if known else ()
    moved = bool(known and known.datastore == ETCD)
    return [name for name in servers if moved or told.get(name, {}).get("datastore") == ETCD]


def migration_of(told: Iterable[Told]) -> str:
    """How the move from sqlite to etcd went, as the node says that did it."""
    return next((str(said["migration"]) for said in told if said.get("migration")), "")


def keepers(observed: Observed) -> list[str]:
    """Whose names are remembered as the servers': on etcd all that have a vote, ghosts too, for they count."""
    if observed.datastore == ETCD:
        return [m.name for m in observed.members if m.etcd and not m.etcd.learner]
    return [m.name for m in observed.members if m.role == "server" and m.machine != "gone"]


def _etcd(said: Told) -> Told:
    found = said.get("etcd")
    return found if isinstance(found, Mapping) else {}
