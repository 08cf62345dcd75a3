"""Servers on an external datastore: the first one, the others, and a new password for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from du_infra.cluster.action import Action
from du_infra.control.cluster.datastore import endpoint, is_wanted
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.servers import servers_of
from du_infra.control.cluster.token import first_token, token_of
from du_infra.control.context import RegionContext
from du_infra.errors import Unreachable
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Reporter

if TYPE_CHECKING:
    from du_infra.control.cluster.act import Work


def bootstrap(work: Work, action: Action, seconds: int) -> None:
    """Begin the cluster on an empty database. K3s refuses one that has another's data: the token does not fit."""
    _join(work, action, first_token(work.context), seconds)


def join_server(work: Work, action: Action, seconds: int) -> None:
    """Another server finds the cluster in the datastore, whether or not any other lives."""
    servers = [node for node in work.record.nodes if node.name == work.seen.api]
    _join(work, action, token_of(work.context, work.nodes, servers), seconds)


def _join(work: Work, action: Action, token: str, seconds: int) -> None:
    order: dict[str, Any] = {"role": "server", "token": token, "datastore": endpoint(work.context), "seconds": seconds}
    work.nodes.order(work.node(action), "join", order, seconds)


def renew(context: RegionContext, record: PoolRecord, report: Reporter, seconds: int) -> None:
    """Have each server use the address that fleet.yaml names, one after the other: the password may be a new one.

    Servers that do not answer, or are to go, are left out. Raises what du-node does where it is another database.
    """
    if not is_wanted(context):
        return
    nodes, order = Nodes(context, report), {"datastore": endpoint(context), "seconds": seconds}
    for node in context.living(record.staying):
        if node.name in servers_of(context):
            try:
                nodes.order(node, "datastore", order, seconds)
            except Unreachable:
                continue


def keep_token(context: RegionContext, record: PoolRecord, server: str, report: Reporter) -> None:
    """See that the token is kept here while a server has it."""
    if context.store.clusters.known(context.name) and is_wanted(context):
        token_of(context, Nodes(context, report), [node for node in record.nodes if node.name == server])
