"""One pass of the autoscaler: measure a region, decide, and change its number of nodes as ``region scale`` does."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from du_infra.autoscale.copies import Copies, copies_first
from du_infra.autoscale.measure import sample_of, settings_of
from du_infra.autoscale.plan import horizon, plan
from du_infra.autoscale.state import Decision, Metric, Sample, Settings, State
from du_infra.control.context import RegionContext
from du_infra.control.copies import carry_out as carry_out_copies
from du_infra.control.copies import changes_of, plan_copies, scales
from du_infra.control.lock import locked
from du_infra.control.observe import observe_nodes
from du_infra.control.scale import set_wish
from du_infra.control.up import UpResult, bring_up
from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.pool.wish import holds
from du_infra.progress import Reporter


@dataclass(frozen=True)
class Autoscaled:
    """What the autoscaler measured and decided of nodes and of ``copies``; ``up`` is what was done about the nodes,
    None for nothing, and ``told`` whether the cluster was told of its copies."""

    region: str
    decision: Decision
    sample: Sample
    targets: Mapping[Metric, float]
    up: UpResult | None = None
    copies: tuple[Copies, ...] = ()
    told: bool = False

    @property
    def changes(self) -> bool:
        """Whether something is to be done."""
        return self.decision.changes or any(one.changes for one in self.copies)

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``autoscale --output json`` (docs/cli.md)."""
        measured = {name: value for name, value in asdict(self.sample).items() if name not in ("when", "nodes")}
        return {
            "region": self.region,
            "nodes": self.decision.nodes,
            "want": self.decision.want,
            "why": self.decision.why,
            "applied": self.up is not None or self.told,
            "targets": dict(self.targets),
            "measured": measured,
            "copies": {one.service: _copies_json(one) for one in self.copies},
        }


def plan_autoscale(context: RegionContext, reports: Sequence[NodeReport] | None = None) -> Autoscaled:
    """What autoscaling would do now; changes nothing but the measures that it remembers.

    ``reports`` of all of the region's nodes, where somebody has just asked them. Raises Refused where fleet.yaml says
    nothing of autoscaling, and where the region is not up.
    """
    settings = _settings(context)
    nodes = _there(context)
    told = observe_nodes(context, context.record.nodes) if reports is None else reports
    sample = sample_of([node.name for node in nodes], told, time.monotonic())
    decision = _nodes(context, settings, sample)
    copies = () if _busy(context) else plan_copies(context, told, sample.when, measure=True)
    pool = context.spec.pool.autoscale
    rest = pool.cooldown.seconds if pool else 0.0
    decision = copies_first(decision, copies, changes_of(context) if copies else {}, sample.when, rest)
    return Autoscaled(context.name, decision, sample, settings.targets if settings else {}, copies=copies)


def carry_out(context: RegionContext, planned: Autoscaled, report: Reporter) -> Autoscaled:
    """Do what was planned; ``planned`` itself where nothing is to be done.

    The wish is written down first: after a kill the next pass, or `region up`, goes on with it. Raises Busy when
    another du-infra works on the region, Refused when the pool was changed since, and what ``region scale`` raises.
    """
    decision = planned.decision
    if not planned.changes:
        return planned
    with locked(context, report):
        told = _tell_copies(context, planned, report)
        if not decision.changes:
            return replace(planned, told=told)
        if len(_there(context)) != decision.nodes or _busy(context):
            what = "the region was changed since it was measured"
            raise Refused(what, where=f"region {context.name}", todo="run the command again")
        if not decision.resumed:
            context.store.autoscaling.begin(context.name, decision.nodes, decision.want, decision.why)
        context.store.event(context.name, "autoscale", str(decision))
        set_wish(context, decision.want)
        up = bring_up(context, report, live=True)
        context.store.autoscaling.end(context.name)
    return replace(planned, up=up, told=told)


def _tell_copies(context: RegionContext, planned: Autoscaled, report: Reporter) -> bool:
    if not any(one.changes for one in planned.copies):
        return False
    record = context.must_be_up()
    return carry_out_copies(context, record, planned.copies, observe_nodes(context, record.nodes), report)


def _nodes(context: RegionContext, settings: Settings | None, sample: Sample) -> Decision:
    if settings is None:
        return Decision(sample.nodes, sample.nodes, "fleet.yaml does not say how to scale nodes")
    context.store.autoscaling.add(context.name, sample)
    return _decide(context, settings, sample)


def _copies_json(one: Copies) -> dict[str, Any]:
    seen = asdict(one.seen)
    return {"count": seen["count"], "want": one.decision.want, "why": one.decision.why, "measured": seen}


def _there(context: RegionContext) -> list[Node]:
    """The nodes that the region counts on and that were there once."""
    return [node for node in context.store.pool(context.name).staying if node.joined]


def _settings(context: RegionContext) -> Settings | None:
    """None where only copies are scaled."""
    pool, where = context.spec.pool, f"region {context.name}"
    if pool.autoscale is None:
        if scales(context):
            context.must_be_up()
            return None
        todo = f"add regions.{context.name}.pool.autoscale to fleet.yaml, such as {{cpu: 60%}}, and max beside it"
        raise Refused("fleet.yaml does not say how to scale it", where=where, todo=todo)
    context.must_be_up()
    return settings_of(pool, pool.autoscale)


def _decide(context: RegionContext, settings: Settings, sample: Sample) -> Decision:
    kept = context.store.autoscaling
    history = [s for s in kept.samples(context.name, sample.when - horizon(settings)) if s.when < sample.when]
    state = State(sample.nodes, _wish(context, sample.nodes), tuple(kept.changes(context.name)))
    decision = plan(settings, [*history, sample], sample.when, state)
    if decision.changes and (service := _busy(context)):
        return Decision(decision.nodes, decision.nodes, f"{decision.why}, but a release of {service} is going live")
    return decision


def _wish(context: RegionContext, nodes: int) -> int:
    """Where the autoscaler goes on from: a scale that holds; else what stands, when it is more than fleet.yaml says.

    A change of ``max`` ends a scale's word. Nodes that are at work must not go for that: the load decides.
    """
    wish = context.wish.nodes
    return wish if holds(context.spec.pool, context.scaled) else max(wish, nodes)


def _busy(context: RegionContext) -> str:
    """The service of a release that is going live, or was cut off; one that is held stands in nobody's way."""
    rows = context.store.rollouts.open(context.name)
    return next((name for name, row in rows.items() if row.state == "running"), "")
