"""Nodes that are servers of their region's cluster, as last seen: only with the data elsewhere they are let go."""

from __future__ import annotations

from collections.abc import Collection

from du_infra.control.cluster.datastore import EXTERNAL
from du_infra.control.context import RegionContext
from du_infra.errors import Refused

RUNTIME = "k3s"
_MAJORITY_BEARS_A_LOSS = 3


def has_cluster(context: RegionContext) -> bool:
    """Whether the region's nodes form a cluster."""
    return context.spec.runtime == RUNTIME


def need_cluster(context: RegionContext, what: str) -> None:
    """Raises Refused, which says ``what``, for a region that has no cluster."""
    if not has_cluster(context):
        todo = f"only regions with runtime: k3s have one; this one has {context.spec.runtime}"
        raise Refused(what, where=f"region {context.name}", todo=todo)


def servers_of(context: RegionContext) -> tuple[str, ...]:
    """Names of the servers of the region's cluster; none where it has no cluster."""
    known = context.store.clusters.known(context.name) if has_cluster(context) else None
    return known.servers if known else ()


def holders_of(context: RegionContext) -> tuple[str, ...]:
    """Those of them with whom the cluster's data would be lost: none where others have it too, or it is elsewhere."""
    known = context.store.clusters.known(context.name) if has_cluster(context) else None
    alone = known and known.datastore != EXTERNAL and len(known.servers) < _MAJORITY_BEARS_A_LOSS
    return known.servers if known and alone else ()


def refuse_server(context: RegionContext, names: Collection[str]) -> None:
    """Raises Refused when one of these has the cluster's data: before anything is written down of its going."""
    if held := sorted({*names} & {*holders_of(context)}):
        raise only_server(held)


def only_server(names: Collection[str]) -> Refused:
    """The error for who would take what the cluster knows along."""
    return Refused(
        "it is the cluster's only server: what the cluster knows is on its disk",
        where=", ".join(names),
        todo="`du-infra node replace` gives it a successor, `du-infra region restore` once its machine is lost; "
        "`du-infra region down` takes the whole region away",
    )
