"""``region restore``: a cluster whose servers are lost goes back to its newest backup, on a new node.

Through the path that ``region up`` takes: the pool makes a node in the lost one's place, and the cluster's planner
brings the backup onto it. Killed anywhere the same command goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from du_infra.control.cluster import vault
from du_infra.control.cluster.nodes import STAGE
from du_infra.control.cluster.observe import look
from du_infra.control.cluster.servers import need_cluster, servers_of
from du_infra.control.cluster.vault import Kept
from du_infra.control.context import RegionContext
from du_infra.control.leave import mark
from du_infra.control.lock import locked
from du_infra.control.machines import own_machines
from du_infra.control.up import UpResult, bring_up
from du_infra.errors import Refused
from du_infra.progress import Event, Reporter, silent


@dataclass(frozen=True)
class Restoring:
    """``lost``: the servers that are given up. ``destroyed``: those of them whose machines are still there."""

    backup: Kept
    lost: tuple[str, ...]
    destroyed: tuple[str, ...]


def plan_restore(context: RegionContext) -> Restoring:
    """What :func:`region_restore` would do; changes nothing. Raises what it does."""
    need_cluster(context, "there is no cluster to restore")
    record = context.must_be_up()
    context.provider.connect()
    if look(context, record, silent).api:
        todo = (
            f"nothing has to be restored; `du-infra region up {context.name}` goes on with a restore that was cut off"
        )
        raise Refused("the cluster's API answers", where=f"region {context.name}", todo=todo)
    there = vault.kept(context)
    if not there:
        todo = f"`du-infra region down {context.name}` and `region up` make the region anew"
        raise Refused("the region's cluster has no backup on this machine", where=f"region {context.name}", todo=todo)
    if there[0].datastore != "sqlite":
        todo = 'docs.k3s.io, "Restoring Snapshots", says how it is done by hand; the archive has what it takes'
        raise Refused("a snapshot of etcd is not restored yet", where=there[0].name, todo=todo)
    lost = servers_of(context)
    machines = own_machines(context, context.provider.machines())
    return Restoring(there[0], lost, tuple(name for name in lost if name in machines))


def region_restore(context: RegionContext, report: Reporter) -> UpResult:
    """Give the lost servers up, have a new node in their place, and restore the newest backup there.

    Raises Refused where the API answers or there is no backup, EngineFailed for a backup that cannot be read back, and
    what ``region_up`` does.
    """
    with locked(context, report):
        plan = plan_restore(context)
        report(Event("step", STAGE, f"back to {plan.backup.name}"))
        context.store.event(context.name, "restore", plan.backup.name)
        record = context.record
        names = {node.name for node in record.nodes} & {*plan.lost}
        mark(context, record, names, "replaced")
        dead = context.dead | {*plan.lost}
        return bring_up(replace(context, dead=dead, may_restore=True), report, live=True)
