"""``region reconcile``: the region becomes what its machines are, whoever made and destroyed them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.hooks import hooked, note_nodes, read_nodes
from du_infra.control.leave import forget_nodes
from du_infra.control.lock import locked
from du_infra.control.machines import STAGE as MACHINES
from du_infra.control.scale import set_wish
from du_infra.control.serve import prepare, serve
from du_infra.control.verify import STAGE as VERIFY
from du_infra.control.verify import verify_region
from du_infra.pool.plan import PoolRecord, not_up
from du_infra.pool.standing import Standing, plan_standing
from du_infra.pool.wish import check
from du_infra.progress import Event, Reporter, stage


@dataclass(frozen=True)
class ReconcileResult:
    """What ``region reconcile`` found and left: ``joined`` are new, ``gone`` are not there any more."""

    region: str
    vip: str
    nodes: tuple[str, ...]
    joined: tuple[str, ...]
    gone: tuple[str, ...]
    config: str


def reconcile_by_hook(context: RegionContext, nodes: str, report: Reporter) -> ReconcileResult:
    """:func:`reconcile` for Terraform: in its turn among the hooks, and logged; ``nodes`` is JSON of what it was asked.

    Raises SpecError for other text.
    """
    with hooked(context, "reconcile", report) as log:
        return reconcile(context, log, read_nodes(nodes))


def reconcile(context: RegionContext, report: Reporter, asked: Mapping[str, Any] | None = None) -> ReconcileResult:
    """Have machines of ours that are new join, forget those that are gone, and have every service run on the rest.

    No machine is made or destroyed. ``asked`` are the nodes that Terraform was asked for, by name, if that is known:
    then no other machine joins, and those that were on their way out come back. From now on the region is to have as
    many nodes as stand. Services stay at the releases that serve.

    Run it again after a kill. Raises Busy when another du-infra works on the region, Refused for a region that is not
    up or has more nodes than fleet.yaml's max, and any DuError of ``region_up``.
    """
    if not context.is_begun:
        raise not_up(context.name)
    with locked(context, report):
        context.store.event(context.name, "reconcile", "started")
        resolved = prepare(context, report, live=True)
        with stage(report, MACHINES):
            found = _look(context, report, asked)
            record = _record(context, found)
            _start(context, found, report)
        served = serve(context, record, resolved, report)
        if asked is not None:
            note_nodes(context, served.record, asked)
        with stage(report, VERIFY, f"http://{record.vip}/readyz"):
            config = verify_region(record.vip, served.deployed.configs, context.services)
        context.store.event(context.name, "reconcile", f"ready with configuration {config}")
    names = tuple(node.name for node in served.record.nodes)
    return ReconcileResult(context.name, record.vip, names, found.joined, (*found.left, *found.lost), config)


def _look(context: RegionContext, report: Reporter, asked: Mapping[str, Any] | None) -> Standing:
    store = context.store
    machines = context.provider.machines()
    found = plan_standing(context.wish, store.pool(context.name), machines, store.owner(), asked)
    for names, kind, text in (
        (found.joined, "step", "is new"),
        (found.returned, "step", "stays after all"),
        (found.left, "step", "is gone"),
        (found.lost, "warning", "is gone, and had not left"),
        (found.ignored, "warning", "carries our label, and Terraform was not asked for it"),
    ):
        for name in names:
            report(Event("warning" if kind == "warning" else "step", MACHINES, text, node=name))
    for node in found.record.nodes:
        if not node.staying and node.state == "leaving":
            text = f"is on its way out; `du-infra region up {context.name}` ends that"
            report(Event("warning", MACHINES, text, node=node.name))
    return found


def _record(context: RegionContext, found: Standing) -> PoolRecord:
    """Write down what stands, and that it is what is wanted."""
    wanted = found.wanted(context.wish.nodes)
    check(context.name, context.spec.pool, wanted)
    before = context.store.pool(context.name)
    forget_nodes(context, before, {node.name for node in before.nodes} - {node.name for node in found.record.nodes})
    context.store.save_pool(context.name, found.record)
    if wanted != context.wish.nodes:
        set_wish(context, wanted)
    return found.record


def _start(context: RegionContext, found: Standing, report: Reporter) -> None:
    for name in found.stopped:
        report(Event("step", MACHINES, "starts", node=name))
        context.provider.start(name)
