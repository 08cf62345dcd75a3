"""``region down``: no machine, no file and no record of the region is left."""

from __future__ import annotations

import shutil
from contextlib import ExitStack
from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.leave import mark
from du_infra.control.lock import locked
from du_infra.control.machines import destroy_machines, own_machines
from du_infra.engines import ssh
from du_infra.engines.lock import exclusive
from du_infra.errors import Busy
from du_infra.progress import Reporter, silent, stage

STAGE = "destroy"


@dataclass(frozen=True)
class DownResult:
    """What ``region down`` took away; ``nodes`` is empty when nothing was there."""

    region: str
    nodes: tuple[str, ...]


def doomed(context: RegionContext) -> list[str]:
    """The machines that ``region_down`` would destroy, by name."""
    if not context.is_begun:
        return []
    context.provider.connect()
    return own_machines(context, context.provider.machines())


def region_down(context: RegionContext, report: Reporter) -> DownResult:
    """Destroy the region's machines and forget it; only machines with this fleet's own mark are touched.

    Run it again after a kill. Raises Busy when another du-infra works on the region, EngineFailed from Terraform.
    """
    if not context.is_begun:
        return DownResult(context.name, ())
    with locked(context, report):
        nodes = tuple(doomed(context))
        for node in context.store.pool(context.name).nodes:
            ssh.close(context.target(node))
        if nodes or (context.home / "terraform").is_dir():
            _mark(context)
            with stage(report, STAGE, ", ".join(nodes)):
                destroy_machines(context, report)
        _forget(context)
    return DownResult(context.name, nodes)


def _mark(context: RegionContext) -> None:
    """Note that every node is on its way out: were we killed half-way, `control run` would replace the first ones."""
    record = context.store.pool(context.name)
    mark(context, record, [node.name for node in record.nodes], "leaving")


def _forget(context: RegionContext) -> None:
    """Files first: the store is what says that something may be left, so it goes last."""
    shutil.rmtree(context.home, ignore_errors=True)
    context.store.forget(context.name)
    with ExitStack() as others:
        if _nobody_else(context, others) and not context.store.regions():
            shutil.rmtree(context.state, ignore_errors=True)


def _nobody_else(context: RegionContext, held: ExitStack) -> bool:
    """Whether no other region of the fleet is worked on (one that comes up may not be recorded yet); holds it so."""
    try:
        for lock in sorted(context.lock.parent.iterdir()):
            if lock != context.lock:
                held.enter_context(exclusive(lock, what=f"region {lock.name}", report=silent, wait=0))
    except Busy:
        return False
    return True
