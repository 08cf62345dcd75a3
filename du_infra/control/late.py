"""Machines that were made and have never let anybody in: nobody waits for one twice, and none is left behind.

One that was waited for in vain is "replaced", and has never joined. Nothing ever ran there, so it is destroyed before
another is made: a region on which nobody can get in must not fill up with machines.
"""

from __future__ import annotations

from du_infra.control.context import RegionContext
from du_infra.control.join import greets
from du_infra.control.leave import forget_nodes, marked
from du_infra.control.machines import STAGE, destroy_nodes
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, Reporter


def heard(record: PoolRecord) -> PoolRecord:
    """The pool, in which those that were waited for in vain and answer by now are nodes like any other."""
    late = [node for node in record.nodes if node.name in _late(record)]
    came = each(lambda node: greets(node.address), late)
    return marked(record, [node.name for node, greeted in zip(late, came, strict=True) if greeted], "")


def dismiss(context: RegionContext, report: Reporter, *, hear: bool) -> None:
    """Destroy the machines that were waited for in vain; others are made under new names.

    ``hear``: those that answer by now stay; not so where somebody asked for other nodes. The caller holds the region's
    lock. Raises EngineFailed from Terraform: the next run does it then.
    """
    before = context.store.pool(context.name)
    record = heard(before) if hear else before
    if record != before:
        context.store.save_pool(context.name, record)
    if names := _late(record):
        for name in names:
            report(Event("warning", STAGE, "has never answered; another is made in its place", node=name))
        destroy_nodes(context, record, names, report)
        forget_nodes(context, record, names)


def _late(record: PoolRecord) -> list[str]:
    return [node.name for node in record.nodes if node.state == "replaced" and not node.joined]
