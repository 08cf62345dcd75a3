"""One pass of healing: look at a region, plan, and do what the plan says, through the path that ``region up`` takes."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from du_infra.control.cluster.servers import holders_of
from du_infra.control.context import RegionContext
from du_infra.control.join import greets
from du_infra.control.leave import mark
from du_infra.control.lock import locked
from du_infra.control.observe import observe_node
from du_infra.control.release.past import under_way
from du_infra.control.up import bring_up
from du_infra.errors import DuError
from du_infra.health.heal import (
    CONTROLLER,
    GONE,
    PROVIDER,
    RUNNING,
    Action,
    Healing,
    History,
    View,
    never_came,
    plan_healing,
)
from du_infra.health.state import NodeReport
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter
from du_infra.store.database import actor
from du_infra.store.healings import Record

STAGE = "heal"


@dataclass(frozen=True)
class Look:
    """A region as healing sees it: its nodes, and for each what every observer says of it (true: it is well).

    ``strays`` are machines of ours that are not recorded.
    """

    record: PoolRecord = field(default_factory=PoolRecord)
    reports: tuple[NodeReport, ...] = ()
    views: tuple[View, ...] = ()
    votes: Mapping[str, Mapping[str, bool]] = field(default_factory=dict)
    strays: tuple[str, ...] = ()

    @property
    def silent(self) -> frozenset[str]:
        """Names of the nodes that do not let us in; one that never has may still be booting."""
        return frozenset(view.name for view in self.views if view.joined and not view.reachable)


@dataclass(frozen=True)
class Healed:
    """What a pass did: ``done`` in words, for each node that was started or replaced; and the plan it followed."""

    plan: Healing
    done: dict[str, str]


def look(context: RegionContext) -> Look:
    """Look at the region; empty where it is not up. Raises EngineFailed or Unreachable when the provider fails."""
    record = context.record
    if not record.nodes:
        return Look()
    context.provider.connect()
    owner = context.store.owner()
    machines = {m.name: m.status for m in context.provider.machines() if m.owner == owner and m.region == context.name}
    reports = each(lambda node: _ask(context, node, machines.get(node.name, GONE)), record.nodes)
    views = tuple(
        View(
            name=node.name,
            machine=machines.get(node.name, GONE),
            reachable=told.reachable,
            serving=told.takes_requests,
            joined=node.joined,
            going=not node.staying,
            why=told.why if told.broken else "",
        )
        for node, told in zip(record.nodes, reports, strict=True)
    )
    strays = tuple(sorted(machines.keys() - {node.name for node in record.nodes}))
    return Look(record, tuple(reports), views, votes_of(views, reports), strays)


def plan_heal(context: RegionContext, seen: Look) -> Healing:
    """What healing would do now; changes nothing but what is remembered of having seen."""
    return _remember(context, seen, _history(context)) if seen.views else Healing()


def unfinished(context: RegionContext) -> dict[str, str]:
    """Replacements that were begun and are to go on: node → why it is replaced. None where healing is turned off."""
    there = context.spec.heal.enabled and context.is_begun
    rows = context.store.healings.open(context.name) if there else {}
    return {name: row.why for name, row in rows.items()}


def open_release(context: RegionContext, but: Collection[str] = ()) -> str:
    """In words, the releases that run, are held, or were cut off, for which replacements wait; "" for none.

    Those of the services ``but`` do not count.
    """
    return "; ".join(f"{service}: {text}" for service, text in under_way(context).items() if service not in but)


def heal(context: RegionContext, report: Reporter) -> Healed:
    """Do what :func:`plan_heal` would say now, having looked again under the region's lock.

    Goes on with replacements that were cut off, which cost no further budget. Raises Busy when another du-infra works
    on the region, and what ``region_up`` does.
    """
    with locked(context, report):
        seen, history = look(context), _history(context)
        plan = _remember(context, seen, history)
        done = _start(context, plan.actions, report)
        if any(not words for words in done.values()):  # what does not start is replaced, and at once
            history = _history(context)
            plan = replace(plan, actions=_remember(context, seen, history).actions)
        done = {node: words or "could not be started" for node, words in done.items()}
        lost = [
            action for action in plan.actions if action.kind == "replace" and not _holds_data(context, action, report)
        ]
        if context.spec.heal.enabled and not history.release and (lost or _open(context, seen.record)):
            done |= _replace(context, seen, [*lost, *_never_came(context, seen, history)], report)
    return Healed(plan, done)


def _holds_data(context: RegionContext, action: Action, report: Reporter) -> bool:
    """A server that has the cluster's data is not replaced: what would go with it only a person brings back."""
    if action.node not in holders_of(context):
        return False
    report(
        Event(
            "warning",
            STAGE,
            f"is not replaced, it is the cluster's server: {action.why}; see `region restore`",
            node=action.node,
        )
    )
    return True


def _ask(context: RegionContext, node: Node, machine: str) -> NodeReport:
    """The node's own word. Nobody waits long for one whose machine does not run, or that has no greeting for us."""
    if machine != RUNNING or not greets(node.address):
        return NodeReport(node.name, node.address, reachable=False, why=f"its machine is {machine}")
    return observe_node(context, node)


def votes_of(views: Sequence[View], reports: Sequence[NodeReport]) -> dict[str, dict[str, bool]]:
    """What each observer says of each node. A machine that runs is no word for a node: it may do so and be dead.

    Another node's word is that it answers at all; of one that lets us in, that it is ready.
    """
    lets_us_in = {told.name for told in reports if told.reachable}
    votes: dict[str, dict[str, bool]] = {view.name: {} for view in views}
    for view, told in zip(views, reports, strict=True):
        votes[view.name][CONTROLLER] = _well(told)
        if view.machine != RUNNING:
            votes[view.name][PROVIDER] = False
        for peer in told.peers if told.answers else ():
            name, up = peer.get("name"), peer.get("up")
            if name in votes and isinstance(up, bool):
                votes[name][told.name] = up and (name not in lets_us_in or bool(peer.get("ready", True)))
    return votes


def _well(told: NodeReport) -> bool:
    """Our own word. What is drained, worked on, or not configured yet is somebody's work, and not an illness."""
    unconfigured = not told.installed and not told.broken
    return told.reachable and (told.ready or told.draining or bool(told.busy) or unconfigured)


def _history(context: RegionContext) -> History:
    return context.store.healings.history(context.name, open_release(context))


def _remember(context: RegionContext, seen: Look, history: History) -> Healing:
    plan = plan_healing(seen.views, seen.votes, history, context.spec.heal, time.monotonic())
    if plan.sightings != history.sightings:
        context.store.healings.see(context.name, plan.sightings)
    return plan


def _start(context: RegionContext, actions: Sequence[Action], report: Reporter) -> dict[str, str]:
    """Start what the plan says; for each in words that it was done, "" where the provider could not."""
    done = {}
    for action in actions:
        if action.kind != "start":
            continue
        report(Event("step", STAGE, f"is started: {action.why}", node=action.node))
        try:
            context.provider.start(action.node)
        except DuError as error:
            report(Event("warning", STAGE, f"cannot be started: {error.detail or error.what}", node=action.node))
            done[action.node] = ""
        else:
            done[action.node] = "started"
        context.store.healings.started(action.node, failed=not done[action.node])
        words = "started" if done[action.node] else "could not be started"
        context.store.event(context.name, "heal", f"{action.node} {words}: {action.why}")
    return done


def _open(context: RegionContext, record: PoolRecord) -> dict[str, Record]:
    """Replacements that are to go on. Those whose node is gone, and that left nothing to be made, are closed.

    A machine that the provider has lost is forgotten as soon as another one is planned, long before that one serves.
    """
    begun = context.store.healings.open(context.name)
    joined = all(node.joined for node in record.staying)
    over = {
        name
        for name, row in begun.items()
        if name not in record.going and joined and len(record.staying) >= min(row.nodes, context.wish.nodes)
    }
    context.store.healings.end(context.name, over)
    return {name: row for name, row in begun.items() if name not in over}


def _never_came(context: RegionContext, seen: Look, history: History) -> list[Action]:
    """Machines of an attempt that failed because they did not come up."""
    begun = _open(context, seen.record)
    if not any(row.detail for row in begun.values()):
        return []
    names = never_came(seen.views, history, context.spec.heal, time.monotonic(), begun)
    return [Action("replace", name, "it was made to replace a dead node, and has not come up") for name in names]


def _waited_for_again(seen: Look, counted: Collection[str]) -> list[str]:
    """Machines that never came and that the budget of the hour lets nobody make others for."""
    given_up = {node.name for node in seen.record.nodes if node.state == "replaced"}
    return [view.name for view in seen.views if view.never_came and view.name in given_up - {*counted}]


def _replace(context: RegionContext, seen: Look, lost: Sequence[Action], report: Reporter) -> dict[str, str]:
    """New nodes first; when they serve, the old ones leave, dead or not. Only these may be destroyed.

    The region has as many nodes afterwards as it had, whatever fleet.yaml has come to say meanwhile.
    """
    begun = _open(context, seen.record)
    nodes = max([len(seen.record.staying), *(row.nodes for row in begun.values())])
    for action in lost:
        report(Event("step", STAGE, f"is replaced: {action.why}", node=action.node))
        context.store.healings.begin(context.name, action.node, action.why, nodes, actor())
        context.store.event(context.name, "heal", f"{action.node} is replaced: {action.why}")
    names = {action.node for action in lost}
    record = mark(context, context.store.pool(context.name), names, "replaced")
    record = mark(context, record, _waited_for_again(seen, names | begun.keys()), "")
    old = tuple(node.name for node in record.nodes if not node.staying)
    dead = seen.silent | {view.name for view in seen.views if view.name in names and not view.reachable}
    try:
        result = bring_up(replace(context, dead=dead, nodes=nodes), report, live=True)
    except DuError as error:
        context.store.healings.note(context.name, str(error))
        raise
    before = {node.name for node in seen.record.nodes if node.joined}
    fresh = [name for name in result.nodes if name not in before]
    words = f"{', '.join(fresh)} took its place" if fresh else "its replacement is done"
    gone = [name for name in begun if name not in old]
    context.store.healings.end(context.name, [*old, *gone], words)
    context.store.event(context.name, "heal", f"{', '.join([*old, *gone])}: {words}")
    return dict.fromkeys([*old, *gone], words)
