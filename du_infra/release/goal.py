"""Where ``region up`` brings a region's services: what is new, what is switched, what stays, what leaves. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from du_infra.health.state import NodeReport
from du_infra.release.aim import Aim, Kept, shown
from du_infra.release.state import Json, Rollout


@dataclass(frozen=True)
class Goal:
    """``aim`` is where every node arrives in the end. ``fresh`` services serve nowhere yet; ``switched`` serve with
    another release, and go over one by one, watched, from ``previous``.
    """

    aim: Aim
    fresh: tuple[str, ...] = ()
    switched: tuple[str, ...] = ()
    previous: Mapping[str, Json] = field(default_factory=dict)

    @property
    def groundwork(self) -> Aim:
        """What comes before the switches: services that are new, nodes that are new, what broke, what leaves."""
        stay = {name: record for name, record in self.aim.targets.items() if name not in self.switched}
        return replace(self.aim, targets=stay)

    def switch(self, service: str, rollout: Json) -> Aim:
        """One service's way from its old release to the new one, as ``rollout`` says."""
        record, before = self.aim.targets[service], self.previous[service]
        return replace(
            self.aim, targets={service: record}, previous={service: before}, rollouts={service: rollout}, mend=False
        )


def goal_of(
    targets: Mapping[str, Json],
    base: Aim,
    reports: Sequence[NodeReport],
    unfinished: Mapping[str, Rollout],
    begun: Mapping[str, Rollout] = MappingProxyType({}),
) -> Goal:
    """The goal for ``targets`` (records by service) where nodes report ``reports``.

    ``base`` has fleet, region and what the store keeps. ``unfinished`` releases (held, or cut off on their way
    forward) are left as each node has them: it is for their own commands to end them. Those that an earlier run has
    ``begun`` are gone on with, from the release that served before them.
    """
    ours = {name: record for name, record in targets.items() if name not in unfinished}
    live = {name: shown(name, reports) or base.kept.live.get(name, "") for name in targets}
    live |= {name: row.previous for name, row in begun.items() if name in targets}
    known = {name: base.kept.records.get((name, release)) for name, release in live.items()}
    switched = {
        name: old for name, record in ours.items() if (old := known[name]) and old["release"] != record["release"]
    }
    there = {str(row["name"]) for report in reports for row in report.services}
    kept = Kept(base.kept.records, {**base.kept.live, **{name: release for name, release in live.items() if release}})
    also = {name: record for name in unfinished if (record := known.get(name))}
    aim = replace(base, targets=ours, kept=kept, drop=frozenset(there - {*targets}), also=also, mend=True)
    fresh = tuple(name for name in ours if not live[name])
    return Goal(aim, fresh, tuple(switched), switched)
