"""``region restore``: a cluster whose API is gone for good goes on, with what is left of its data.

On etcd a server that still has the data goes on alone, which loses the least; where none is left, and on sqlite, a new
node gets the newest backup. Both go the path that ``region up`` takes: the pool makes nodes in the lost ones' places,
and the cluster's planner does the rest. Killed anywhere the same command goes on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from du_infra.cluster.quorum import majority, voters
from du_infra.cluster.recover import survivor
from du_infra.cluster.standing import names, usable
from du_infra.cluster.state import Member, Observed
from du_infra.control.cluster import vault
from du_infra.control.cluster.loop import revive
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
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, Reporter, silent, stage

_LOOKS = 3
_BETWEEN_SECONDS = 3.0


@dataclass(frozen=True)
class Restoring:
    """``survivor`` goes on alone with its own data, "" where the ``backup`` is laid onto another node.

    ``lost``: the servers that are given up. ``destroyed``: those of them whose machines are still there.
    """

    backup: Kept | None
    lost: tuple[str, ...]
    destroyed: tuple[str, ...]
    survivor: str = ""


def plan_restore(context: RegionContext, *, from_backup: bool = False) -> Restoring:
    """What :func:`region_restore` would do; changes nothing. Raises what it does."""
    need_cluster(context, "there is no cluster to restore")
    record = context.must_be_up()
    context.provider.connect()
    seen = _look(context, record)
    left = () if from_backup else _left(context, seen)
    backup = next(iter(vault.kept(context)), None)
    if not left and backup is None:
        todo = f"`du-infra region down {context.name}` and `region up` make the region anew"
        raise Refused("the region's cluster has no backup on this machine", where=f"region {context.name}", todo=todo)
    there = {m.name for m in left}
    lost = tuple(name for name in servers_of(context) if name not in there)
    machines = own_machines(context, context.provider.machines())
    chosen = survivor(left)
    return Restoring(backup, lost, tuple(name for name in lost if name in machines), chosen.name if chosen else "")


def region_restore(context: RegionContext, report: Reporter, *, from_backup: bool = False) -> UpResult:
    """Give the lost servers up, and have the cluster go on with the survivor's data, or else the newest backup's.

    ``from_backup``: servers that still have data are given up, too. Raises Refused where the API answers, where enough
    servers are there for a majority, or where there is nothing to go back to; EngineFailed for a backup that cannot be
    read back; and what ``region_up`` does.
    """
    with locked(context, report):
        plan = plan_restore(context, from_backup=from_backup)
        what = (
            f"{plan.survivor} goes on alone" if plan.survivor else f"back to {plan.backup.name if plan.backup else ''}"
        )
        report(Event("step", STAGE, what))
        context.store.event(context.name, "restore", what)
        given_up = {node.name for node in context.record.nodes} & {*plan.lost}
        record = mark(context, context.record, given_up, "replaced")
        asked = replace(context, dead=context.dead | {*plan.lost}, may_restore=True)
        if plan.survivor:  # it is there: its API need not wait for the machines in the lost ones' places
            with stage(report, STAGE, what):
                revive(asked, record, report)
        return bring_up(asked, report, live=True)


def _look(context: RegionContext, record: PoolRecord) -> Observed:
    """One look is not enough to call a server lost whose machine runs. Raises Refused when the API answers in one."""
    for again in range(_LOOKS):
        seen = look(context, record, silent).observed
        if seen.api:
            raise _answers(context)
        if not [m for m in voters(seen) if m.machine == "running" and not usable(m)]:
            break
        if again + 1 < _LOOKS:
            time.sleep(_BETWEEN_SECONDS)
    return seen


def _left(context: RegionContext, seen: Observed) -> Sequence[Member]:
    """Who has the data of a cluster on etcd, and can be got at. Raises Refused when these are a majority."""
    votes = voters(seen)
    left = [m for m in votes if usable(m)]
    if left and len(left) >= majority(len(votes)):
        raise Refused(
            f"{names(left)} {'are' if len(left) > 1 else 'is'} there, and enough for etcd's majority",
            where=f"region {context.name}",
            todo=f"`du-infra region up {context.name}` starts K3s on them; if that does not help, "
            "`region restore --from-backup` gives them up, and goes back to the newest backup",
        )
    return left


def _answers(context: RegionContext) -> Refused:
    todo = f"nothing has to be restored; `du-infra region up {context.name}` goes on with a restore that was cut off"
    return Refused("the cluster's API answers", where=f"region {context.name}", todo=todo)
