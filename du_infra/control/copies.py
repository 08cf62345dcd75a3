"""A K3s region's copies: as many as fleet.yaml and what they have to do ask for. Any one node tells the cluster."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from du_infra.autoscale.copies import Copies, Seen, decide, sample_of, seen_of, settings_of, within
from du_infra.autoscale.plan import horizon
from du_infra.autoscale.state import Change
from du_infra.control.cluster.nodes import STAGE, Nodes
from du_infra.control.cluster.servers import has_cluster
from du_infra.control.context import RegionContext
from du_infra.control.observe import observe_nodes
from du_infra.errors import DuError
from du_infra.health.spread import crowd_of
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, Reporter
from du_infra.spec import ServiceSpec

_SECONDS = 60.0
_PLACED_SECONDS = 30.0
_POLL_SECONDS = 1.0


def plan_copies(
    context: RegionContext, reports: Sequence[NodeReport], now: float | None = None, *, measure: bool = False
) -> tuple[Copies, ...]:
    """What is to become of each service's copies, by what all of the region's nodes say. Changes nothing but the
    measures that it remembers; without ``measure`` only fleet.yaml's bounds count."""
    if not has_cluster(context):
        return ()
    when = time.monotonic() if now is None else now
    found = []
    for name, spec in context.services.items():
        if seen := seen_of(name, spec, reports):
            planned = _plan(context, name, spec, seen, when, measure=measure)
            found.append(replace(planned, crowd=crowd_of(name, reports)))
    return tuple(found)


def scales(context: RegionContext) -> bool:
    """Whether any service of the region has copies that are made and taken away by what they have to do."""
    return has_cluster(context) and any(s.replicas.most > s.replicas.min for s in context.services.values())


def changes_of(context: RegionContext) -> dict[str, list[Change]]:
    """When the number of each service's copies was changed in the last hours."""
    return {name: context.store.autoscaling.changes(_key(context, name)) for name in context.services}


def carry_out(
    context: RegionContext,
    record: PoolRecord,
    planned: Sequence[Copies],
    reports: Sequence[NodeReport],
    report: Reporter,
) -> bool:
    """Have the cluster told what was decided; whether anything was. The caller holds the region's lock.

    Raises Unreachable, or what du-node tells.
    """
    due = [one for one in planned if one.changes]
    teller = next((told.name for told in reports if told.answers and told.services), "")
    if not due or not teller:
        return False
    order = {"copies": {one.service: one.decision.want for one in due}, "nodes": [node.name for node in record.nodes]}
    Nodes(context, report).order(record.named(teller), "copies", order, _SECONDS)
    for one in due:
        if one.decision.changes:
            kept, key = context.store.autoscaling, _key(context, one.service)
            kept.begin(key, one.decision.nodes, one.decision.want, one.decision.why)
            kept.end(key)
            context.store.event(context.name, "copies", str(one))
    return True


def settle(context: RegionContext, record: PoolRecord, report: Reporter) -> tuple[str, ...]:
    """Bring the copies of every service within what fleet.yaml says now, and spread those that share a node while
    another has none; what was done, in words. The caller holds the region's lock."""
    if not has_cluster(context) or not context.services or not record.nodes:
        return ()
    reports = observe_nodes(context, record.nodes)
    planned = plan_copies(context, reports)
    carry_out(context, record, planned, reports, report)
    done = [f"{one.service}: {one.due}" for one in planned if one.changes]
    for one in planned:
        if one.crowd.bare and not one.changes and _spread(context, record, one, reports, report):
            done.append(f"{one.service}: each node has a copy again")
    return tuple(done)


def unsettled(context: RegionContext, reports: Sequence[NodeReport]) -> tuple[str, ...]:
    """Why :func:`settle` would do something, in words; empty where it would not."""
    return tuple(f"{one.service}: {one.due}" for one in plan_copies(context, reports) if one.due)


def settle_if_it_can(context: RegionContext, record: PoolRecord, report: Reporter) -> None:
    """``settle`` after nodes have left, or were away: that it did not go is only a warning, for the next command does
    it."""
    try:
        settle(context, record, report)
    except DuError as error:
        report(Event("warning", STAGE, f"copies of services stay as they are: {error}"))


def _spread(
    context: RegionContext, record: PoolRecord, one: Copies, reports: Sequence[NodeReport], report: Reporter
) -> bool:
    """A copy more comes for each node that has none; then as many go, and of those that share a node the cluster takes
    first. Whether each has one then.

    So there is never one less. Killed in between there are some too many, until the copies are settled again.
    """
    report(Event("step", STAGE, f"{one.service}: {one.crowd}: copies are made there, then as many go"))
    context.store.event(context.name, "copies", f"{one.service}: {one.crowd}")
    teller, asked = next((told.name, row["asked"]) for told in reports if (row := told.copies_of(one.service)))
    names, nodes = [node.name for node in record.nodes], Nodes(context, report)

    def tell(count: int) -> None:
        nodes.order(record.named(teller), "copies", {"copies": {one.service: count}, "nodes": names}, _SECONDS)

    more = one.seen.count + len(one.crowd.bare)
    try:
        tell(more)
        placed = _placed(context, record, one, more)
    finally:
        tell(asked)
    if not placed:
        report(Event("warning", STAGE, f"{one.service}: {one.crowd} still: is there room, and may it take pods?"))
    return placed


def _placed(context: RegionContext, record: PoolRecord, one: Copies, more: int) -> bool:
    """Wait until so many are ready; whether each node that had none has one then."""
    deadline = time.monotonic() + context.services[one.service].start_timeout.seconds + _PLACED_SECONDS
    while True:
        told = {told.name: told.copies_of(one.service) for told in observe_nodes(context, record.nodes) if told.answers}
        if any(row["ready"] >= more for row in told.values() if row) or time.monotonic() > deadline:
            return all(told.get(name, {}).get("here") for name in one.crowd.bare)
        time.sleep(_POLL_SECONDS)


def _plan(context: RegionContext, name: str, spec: ServiceSpec, seen: Seen, now: float, *, measure: bool) -> Copies:
    settings = settings_of(spec, seen.slots, context.spec.pool.autoscale)
    if not measure or settings.least == settings.most:
        return Copies(name, seen, within(settings, seen))
    kept, key = context.store.autoscaling, _key(context, name)
    sample = sample_of(seen, now)
    history = [one for one in kept.samples(key, now - horizon(settings)) if one.when < now]
    kept.add(key, sample)
    return Copies(name, seen, decide(settings, seen, [*history, sample], now, kept.changes(key)), sample)


def _key(context: RegionContext, service: str) -> str:
    """What the store calls a service's copies among the regions that it keeps measures of."""
    return f"{context.name}/{service}"
