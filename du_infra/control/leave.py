"""Nodes leave a region, or take no requests for a while, without a request lost.

A node that leaves is marked in the store first; from then on every step can be killed and done again: it is drained,
the others forget it, its services stop, Terraform destroys exactly it, and its record goes last. The caller holds the
region's lock (control.lock) in all of these.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from du_infra.control.cluster.loop import has_cluster, part, refuse_to_part
from du_infra.control.configure import configure_nodes
from du_infra.control.context import RegionContext
from du_infra.control.copies import settle_if_it_can
from du_infra.control.drain import STAGE as STAGE
from du_infra.control.drain import drain, drain_if_there, patience, stand_back, stop_services, undrain
from du_infra.control.join import unpin
from du_infra.control.machines import destroy_nodes
from du_infra.control.observe import observe_nodes
from du_infra.control.relief import await_relief
from du_infra.engines import ssh
from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node, NodeState
from du_infra.progress import Event, Reporter

RETURN = "return"


def drain_node(
    context: RegionContext,
    record: PoolRecord,
    node: str,
    report: Reporter,
    cut_after: float | None = None,
    *,
    last: bool = False,
) -> int:
    """Have a node take no new requests and wait for those it has; how many connections were cut.

    ``cut_after``: how many seconds connections may take to end, None for what the services' settings say. It can be
    done again at any time. Raises Refused when no other node is ready to take its requests (unless ``last``) or the
    node itself refuses, Unreachable when it does not answer.
    """
    target = record.named(node)
    if not last:
        reports = observe_nodes(context, record.nodes)
        refuse_last(reports, [node])
        await_relief(context, target, _taking(record, reports, [node]), report)
    return drain(context, target, report, patience(context) if cut_after is None else cut_after)


def undrain_node(context: RegionContext, record: PoolRecord, node: str, report: Reporter) -> None:
    """Have a node take requests again. Raises Unreachable when it does not answer."""
    undrain(context, record.named(node), report)


def take_back(context: RegionContext, record: PoolRecord, report: Reporter) -> PoolRecord:
    """Have the nodes that are "returning" take requests again; the pool as it is then. They must be ready."""
    each(lambda name: undrain_node(context, record, name, report), record.returning)
    return mark(context, record, record.returning, "")


def staying(record: PoolRecord, reports: Sequence[NodeReport]) -> list[NodeReport]:
    """The reports of the nodes that the region counts on."""
    names = {node.name for node in record.staying}
    return [told for told in reports if told.name in names]


def configurable(record: PoolRecord, reports: Sequence[NodeReport]) -> list[NodeReport]:
    """The reports of the nodes that must know who the others are: of those on their way out the ones that answer.

    A node that takes requests and was not told of a new one would fight with it for the region's address.
    """
    stay = {node.name: node.staying for node in record.nodes}
    return [told for told in reports if told.name in stay and (stay[told.name] or told.answers)]


def connected(record: PoolRecord, reports: Sequence[NodeReport]) -> PoolRecord:
    """The pool as its nodes should know it: without those that are on their way out and take no requests any more."""
    serving = {told.name for told in reports if told.answers and not told.draining}
    return record.without([node.name for node in record.nodes if not node.staying and node.name not in serving])


def part_with(
    context: RegionContext, record: PoolRecord, reports: Sequence[NodeReport], report: Reporter
) -> PoolRecord:
    """:func:`connected`, for who is about to tell the nodes.

    Whoever they forget stands back from the region's address first, and leaves its cluster.
    """
    rest = connected(record, reports)
    forgotten = {node.name for node in record.nodes} - {node.name for node in rest.nodes}
    there = [record.named(told.name) for told in reports if told.answers and told.name in forgotten]
    each(lambda node: stand_back(context, node, report), there)
    _leave_cluster(context, record, there, (), report)
    return rest


def _leave_cluster(
    context: RegionContext, record: PoolRecord, there: Sequence[Node], silent: Collection[str], report: Reporter
) -> None:
    """Have nodes leave the region's cluster, if it has one: those that are ``there``, and the ``silent`` as dead ones.

    Before the others forget them: their firewalls let K3s in from nodes that they know, and from no other.
    """
    names = [*(node.name for node in there), *silent]
    if has_cluster(context) and names:
        each(lambda node: stop_services(context, node, report), there)
        part(context, record, names, report, silent)


def mark(context: RegionContext, record: PoolRecord, names: Collection[str], state: NodeState) -> PoolRecord:
    """Write into the store that these nodes are in ``state``; the pool as it is then. SpecError for strangers."""
    changed = marked(record, names, state)
    if changed != record:
        context.store.save_pool(context.name, changed)
    return changed


def marked(record: PoolRecord, names: Collection[str], state: NodeState) -> PoolRecord:
    """The pool with these nodes in ``state``. Raises SpecError for names that it does not have."""
    for name in names:
        record.named(name)
    nodes = tuple(replace(node, state=state) if node.name in names else node for node in record.nodes)
    return replace(record, nodes=nodes)


def leave_nodes(
    context: RegionContext,
    record: PoolRecord,
    names: Sequence[str],
    report: Reporter,
    *,
    cut_after: float | None = None,
    last: bool = False,
) -> PoolRecord:
    """Have these nodes, and no others, leave the region and be destroyed; the pool without them.

    A node that does not answer is not drained, with a warning. Raises Refused when no ready node would be left
    (unless ``last``) or a node refuses to be drained, EngineFailed from Ansible or Terraform.
    """
    record = take_out(context, record, names, report, cut_after=cut_after, last=last)
    destroy_nodes(context, record, names, report)
    record = forget_nodes(context, record, names)
    settle_if_it_can(context, record, report)
    return record


def take_out(
    context: RegionContext,
    record: PoolRecord,
    names: Sequence[str],
    report: Reporter,
    *,
    cut_after: float | None = None,
    last: bool = False,
) -> PoolRecord:
    """``leave_nodes`` without Terraform: afterwards the machines do nothing for the region, and may be destroyed.

    Returns the pool, in which they are marked as leaving.
    """
    reports = observe_nodes(context, record.nodes)
    if not last:
        refuse_last(reports, names)
    silent = {told.name for told in reports if told.name in names and not told.answers}
    if has_cluster(context):
        refuse_to_part(context, record, names, report, silent)
    record = mark(context, record, names, "leaving")
    seconds = patience(context) if cut_after is None else cut_after
    leaving = [record.named(told.name) for told in reports if told.name in names and told.answers]
    for told in reports:
        if told.name in names and not told.answers:
            report(Event("warning", STAGE, f"is not drained: {told.why}", node=told.name))
    serving = [node for node in leaving if not _forgotten(node.name, reports)]
    if not last:
        each(lambda node: await_relief(context, node, _taking(record, reports, names), report), serving)
    each(lambda node: drain_if_there(context, node, report, seconds), serving)
    each(lambda node: stand_back(context, node, report), serving)
    _leave_cluster(context, record, leaving, silent, report)
    # another may be on its way out, and its machine just going
    rest = part_with(context, record.without(names), reports, report)
    others = [told for told in reports if told.answers and any(told.name == node.name for node in rest.nodes)]
    report(Event("step", STAGE, f"the other nodes go on without {', '.join(names)}"))
    configure_nodes(context, rest, others, report)
    if not has_cluster(context):
        each(lambda node: stop_services(context, node, report), leaving)
    return record


def _taking(record: PoolRecord, reports: Sequence[NodeReport], names: Collection[str]) -> set[str]:
    """The nodes that take requests and are none of ``names``, nor on their way out themselves."""
    ready = {told.name for told in reports if told.takes_requests}
    return {node.name for node in record.staying if node.name in ready} - {*names}


def _forgotten(name: str, reports: Sequence[NodeReport]) -> bool:
    """Whether a run that was killed has drained this node, and told all others to forget it."""
    drained = any(told.name == name and told.draining for told in reports)
    return drained and not any(peer.get("name") == name for told in reports for peer in told.peers)


def forget_nodes(context: RegionContext, record: PoolRecord, names: Collection[str]) -> PoolRecord:
    """Drop the records of nodes whose machines are gone; the pool without them. No name is given out again."""
    for node in record.nodes:
        if node.name in names:
            ssh.close(context.target(node))
    unpin(context, names)
    left = record.without(names)
    context.store.save_pool(context.name, left)
    return left


def refuse_last(reports: Sequence[NodeReport], names: Collection[str]) -> None:
    """Raises Refused when one of ``names`` is ready and no other node serves; ``reports`` has all of the nodes.

    One that is drained already counts, too: it could take requests again.
    """
    ready = {told.name: told.draining for told in reports if told.answers and told.ready}
    asked = ready.keys() & {*names}
    if asked and all(name in asked or draining for name, draining in ready.items()):
        raise Refused(
            "no other node is ready to take its requests",
            where=", ".join(sorted(asked)),
            todo="see `du-infra region status`; `du-infra region up` mends what can be mended",
        )
