"""Stage "machines": the region's pool through Terraform, guarded, and what a killed run left behind."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from du_infra.control.cluster.servers import servers_of
from du_infra.control.context import RegionContext
from du_infra.control.hooks import hooks_of
from du_infra.control.observe import front_of, observe_nodes
from du_infra.control.region_plan import same_runtime
from du_infra.engines.keys import ensure_key
from du_infra.parallel import each
from du_infra.pool.guard import guard
from du_infra.pool.plan import PoolPlan, PoolRecord, adopt, plan_pool
from du_infra.pool.state import Machine, NodeView
from du_infra.progress import Event, Reporter

if TYPE_CHECKING:
    from du_infra.engines.terraform import Workspace

STAGE = "machines"


def plan_machines(context: RegionContext, machines: list[Machine], record: PoolRecord | None = None) -> PoolPlan:
    """The pool plan for what the provider has now; nodes are only asked how they are when some may have to leave.

    ``record`` is the pool to start from, the store's if nothing is said.
    """
    store, wish = context.store, context.wish
    record = record or store.pool(context.name)
    views = views_of(context, record) if record.going or len(record.nodes) > wish.nodes else {}
    return plan_pool(wish, record, machines, context.provider.network(), store.owner(), views)


def leaving(context: RegionContext) -> list[str]:
    """The nodes that ``region up`` would have leave now and that nobody has said yes to yet, by name."""
    record = context.record
    if not record.nodes:
        return []
    context.provider.connect()
    machines = context.provider.machines()
    if len({*own_machines(context, machines), *(node.name for node in record.staying)}) <= context.wish.nodes:
        return []
    return [name for name in plan_machines(context, machines).leaving if name not in record.going]


def views_of(context: RegionContext, record: PoolRecord) -> dict[str, NodeView]:
    """How the nodes are, as far as it matters for which of them leaves, or has its turn."""
    reports = observe_nodes(context, [node for node in record.nodes if node.joined])
    front, servers = front_of(record, reports), servers_of(context)
    return {
        told.name: NodeView(
            told.name, told.answers, told.ready, told.name == front, told.draining, told.name in servers
        )
        for told in reports
    }


def own_machines(context: RegionContext, machines: list[Machine]) -> list[str]:
    """Names of the machines that this fleet's store made for this region."""
    owner = context.store.owner()
    return [m.name for m in machines if m.owner == owner and m.region == context.name]


def bring_machines(context: RegionContext, report: Reporter) -> PoolRecord:
    """Make, take over and start what the plan says; returns the pool as it is then.

    Raises Refused when the plan would destroy anything or a name is taken, EngineFailed from Terraform.
    """
    if not plan_machines(context, context.provider.machines()).created:
        return _bring(context, report)
    with context.provider.giving_out(report):  # what another region was given shows only once its machines are there
        return _bring(context, report)


def _bring(context: RegionContext, report: Reporter) -> PoolRecord:
    machines = context.provider.machines()
    plan = plan_machines(context, machines)
    if plan.created:  # else Ansible refuses it, on each node, before it changes anything
        there = [node for node in plan.record.nodes if node.joined and node.name not in plan.stopped]
        same_runtime(observe_nodes(context, there), context.spec.runtime)
    _tell(plan, report)
    # Before Terraform runs: a name is given out first and used afterwards, so that a kill cannot give it out twice.
    context.store.save_pool(context.name, plan.record)
    workspace = open_workspace(context)
    _write(workspace, context, plan.record)
    workspace.init(report)
    changes = workspace.plan_for(own_machines(context, machines), report=report)
    guard(changes.changes, may_destroy=frozenset())
    workspace.apply(changes, report)
    for name in plan.stopped:
        if name in context.dead:
            continue
        report(Event("step", STAGE, "starts", node=name))
        context.provider.start(name)
    return plan.record


def destroy_nodes(context: RegionContext, record: PoolRecord, names: Collection[str], report: Reporter) -> None:
    """Destroy the machines of these nodes of ``record``, and no other. One that is gone already is no error.

    None is made, either: a node that was lost would come back under a name that is spent.

    Raises Refused when the plan would destroy anything else, EngineFailed from Terraform.
    """
    workspace = open_workspace(context)
    ours = own_machines(context, context.provider.machines())
    record = replace(record, nodes=tuple(node for node in record.nodes if node.name in ours))
    _write(workspace, context, record)
    workspace.init(report)
    if {*names} & {*ours} - workspace.tracked().keys():  # Terraform can take over only what is among its nodes
        workspace.plan_for(ours, report=report)
    _write(workspace, context, record.without(names))
    changes = workspace.plan_for(ours, report=report)
    guard(changes.changes, may_destroy=frozenset(names))
    _halt(context, {*names} & {*ours})
    workspace.apply(changes, report)


def destroy_machines(context: RegionContext, report: Reporter) -> None:
    """Destroy the region's machines, all of them and no other, recorded or not."""
    machines = context.provider.machines()
    ours = own_machines(context, machines)
    record = context.store.pool(context.name)
    nodes = tuple(adopt(m, context.wish, record.vip) for m in machines if m.name in ours)
    vip = record.vip or context.provider.network().last
    workspace = open_workspace(context)
    _write(workspace, context, replace(record, vip=vip, nodes=nodes))
    workspace.init(report)
    changes = workspace.plan_for(ours, destroy=True, report=report)
    guard(changes.changes, may_destroy=frozenset(ours))
    _halt(context, ours)
    workspace.apply(changes, report)


def _halt(context: RegionContext, names: Collection[str]) -> None:
    """Cut the power of machines that are about to be destroyed: a provider that first asks one to shut down, which is
    still booting or hangs, gives up on it."""
    each(context.provider.halt, sorted(names))


def open_workspace(context: RegionContext) -> Workspace:
    """The region's Terraform folder."""
    from du_infra.engines.terraform import Workspace, find_binary

    return Workspace(context.terraform, find_binary(), context.provider.terraform_env())


def _write(workspace: Workspace, context: RegionContext, record: PoolRecord) -> None:
    module = f"region-pool/{context.spec.provider}"
    workspace.write(module, _variables(context, record), hooks_of(context, record))


def _tell(plan: PoolPlan, report: Reporter) -> None:
    for name in plan.lost:
        report(Event("warning", STAGE, "is gone; another node takes its place under a new name", node=name))
    for name in plan.adopted:
        report(Event("step", STAGE, "was left by a run that was killed; taking it over", node=name))


def _variables(context: RegionContext, record: PoolRecord) -> dict[str, object]:
    network = context.provider.network()
    return {
        "region": context.name,
        "nodes": {n.name: {"size": n.size, "role": n.role, "address": n.address} for n in record.nodes},
        "ssh_public_key": ensure_key(context.key_file),
        "user_data": "",
        "network_cidr": network.cidr,
        "admin_cidrs": admin_cidrs(context),
        "vip": record.vip,
        "owner": context.store.owner(),
        "labels": {"fleet": context.fleet.fleet},
        **context.provider.terraform_vars(),
    }


def admin_cidrs(context: RegionContext) -> list[str]:
    """The networks that may reach SSH: fleet.yaml's and the provider's own."""
    return sorted({*context.spec.admin_cidrs, *context.provider.network().admin})
