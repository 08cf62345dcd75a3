"""How many copies of a service a K3s region should have, and that copies come before nodes. Pure.

Copies follow the same rule as nodes (:mod:`du_infra.autoscale.plan`), by the CPU time that they use. More copies cost
nothing as long as the nodes have room, and are there in seconds; so nodes change only when copies have come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from du_infra.autoscale.plan import plan
from du_infra.autoscale.state import Change, Decision, Sample, Settings, State
from du_infra.health.state import Crowd, NodeReport
from du_infra.spec import AutoscaleSpec, ServiceSpec

_DEFAULT = AutoscaleSpec.model_construct()


@dataclass(frozen=True)
class Seen:
    """A service's copies as the nodes tell: so many are to run, for so many ``slots``, and ``ready`` are. ``cpu``: the
    mean of those that were measured, in percent of what each may use; ``silent`` of them were not. ``ghosts``: slots
    of nodes that are gone."""

    count: int
    ready: int
    slots: int
    silent: int = 0
    cpu: float | None = None
    ghosts: int = 0


@dataclass(frozen=True)
class Copies:
    """What is decided of a service's copies; ``sample`` None where nothing is measured, as their number is fixed.
    ``crowd``: who has none although others have several."""

    service: str
    seen: Seen
    decision: Decision
    sample: Sample | None = None
    crowd: Crowd = field(default_factory=Crowd)

    @property
    def changes(self) -> bool:
        """Whether the cluster is to be told of another number, or that nodes are gone."""
        return self.decision.changes or bool(self.seen.ghosts)

    @property
    def due(self) -> str:
        """What is amiss with them, in words; "" for nothing."""
        if self.decision.changes:
            return str(self.decision)
        return f"{self.seen.ghosts} slot(s) of nodes that are gone" if self.seen.ghosts else str(self.crowd)

    def __str__(self) -> str:
        return f"{self.service}: {self.decision}"


def seen_of(name: str, spec: ServiceSpec, reports: Sequence[NodeReport]) -> Seen | None:
    """A service's copies by what these nodes, which are all of the region's, say; None where none says anything."""
    told = [row for one in reports if one.answers and (row := one.copies_of(name))]
    if not told:
        return None
    measured = [(int(row["here"]), float(row["cpu_percent"])) for row in told if row.get("cpu_percent") is not None]
    known, count, slots = sum(here for here, _ in measured), int(told[0]["count"]), int(told[0]["slots"])
    busy = sum(here * cpu for here, cpu in measured) / known / (spec.cpus or 1.0) if known else None
    return Seen(
        count=count,
        ready=int(told[0]["ready"]),
        slots=min(slots, len(reports)),
        silent=max(0, count - known),
        cpu=busy,
        ghosts=max(0, slots - len(reports)),
    )


def bounds(spec: ServiceSpec, slots: int) -> tuple[int, int]:
    """The fewest and the most copies where so many slots use them: each slot has one of its own."""
    return max(spec.replicas.min, slots), max(spec.replicas.most, slots)


def settings_of(spec: ServiceSpec, slots: int, autoscale: AutoscaleSpec | None) -> Settings:
    """Patience and tolerance are the pool's, where fleet.yaml has them."""
    least, most = bounds(spec, slots)
    usual = autoscale or _DEFAULT
    return Settings(
        least=least,
        most=most,
        targets={"cpu": spec.replicas.cpu.points},
        up_after=usual.up_after.seconds,
        down_after=usual.down_after.seconds,
        cooldown=usual.cooldown.seconds,
        tolerance=usual.tolerance.points / 100,
    )


def sample_of(seen: Seen, when: float) -> Sample:
    """A minute of a service's copies, as the planner of nodes wants it."""
    return Sample(when, seen.count, seen.silent, cpu=seen.cpu)


def within(settings: Settings, seen: Seen) -> Decision:
    """How many copies there should be, whatever they have to do."""
    want = min(max(seen.count, settings.least), settings.most)
    if want == seen.count:
        return Decision(seen.count, want, "as fleet.yaml says")
    return Decision(seen.count, want, f"{'max' if want < seen.count else 'min'} is {want}")


def decide(
    settings: Settings, seen: Seen, history: Sequence[Sample], now: float, changes: Sequence[Change]
) -> Decision:
    """How many copies there should be by what they have to do. What was changed is done at once, by the cluster."""
    ended = tuple(replace(change, ended=True) for change in changes)
    return plan(settings, history, now, State(seen.count, seen.count, ended))


def copies_first(
    nodes: Decision, copies: Sequence[Copies], changes: Mapping[str, Sequence[Change]], now: float, cooldown: float
) -> Decision:
    """What is decided of the nodes, unless copies are about to change, or did a moment ago: nodes wait for that.

    A change of the nodes that was begun is finished all the same.
    """
    if not nodes.changes or nodes.resumed:
        return nodes
    moving = [str(one) for one in copies if one.decision.changes]
    fresh = [
        f"{service}: {of[-1].before} → {of[-1].after} was a moment ago"
        for service, of in changes.items()
        if of and now - of[-1].when < cooldown
    ]
    if not (waits := moving or fresh):
        return nodes
    return Decision(nodes.nodes, nodes.nodes, f"{nodes.why}, but copies come first ({waits[0]})")
