"""What a release is going to do, as data: a person reads it and says yes. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from du_infra.health.state import NodeReport
from du_infra.release.aim import Aim, shown
from du_infra.release.changes import changes
from du_infra.release.rollout import batches
from du_infra.release.state import Json, Kind


@dataclass(frozen=True)
class NodePlan:
    """One node of a release: the batch it is in (from 1), and what serves there now ("" for nothing)."""

    node: str
    batch: int
    serves: str


@dataclass(frozen=True)
class ReleasePlan:
    """A release that can be carried out: ``record`` goes live where ``previous`` ("" for none) serves.

    ``options`` are the settings it goes by, ``changes`` what differs, one line each, ``nodes`` the order of work.
    ``there`` says that the release serves everywhere already, so that there is nothing to do.
    """

    region: str
    service: str
    kind: Kind
    record: Json
    previous: str
    options: Json
    changes: tuple[str, ...]
    nodes: tuple[NodePlan, ...]
    url: str
    there: bool

    @property
    def release(self) -> str:
        """The release's id."""
        return str(self.record["release"])

    def to_json(self) -> Json:
        """The stable form for programs."""
        rollout = self.options["rollout"]
        return {
            "region": self.region,
            "service": self.service,
            "kind": self.kind,
            "release": self.release,
            "previous": self.previous,
            "digest": self.record["digest"],
            "changes": list(self.changes),
            "nodes": [{"node": n.node, "batch": n.batch, "release": n.serves} for n in self.nodes],
            "before": list(self.options["before"]),
            "hold": rollout["hold"],
            "canary": list(rollout["canary"]),
            "observe": rollout["observe"],
            "url": self.url,
        }


def outline(
    kind: Kind, record: Json, options: Mapping[str, Any], aim: Aim, reports: Sequence[NodeReport], url: str
) -> ReleasePlan:
    """The plan for ``record`` where nodes report ``reports``, in the order they are worked on."""
    name = str(record["name"])
    serves = {report.name: shown(name, [report]) for report in reports}
    previous = aim.previous.get(name)
    order = batches([*serves], [node for node, release in serves.items() if not release], options["batch"])
    return ReleasePlan(
        region=aim.region,
        service=name,
        kind=kind,
        record=record,
        previous=str(previous["release"]) if previous else "",
        options=dict(options),
        changes=tuple(changes(previous, record)),
        nodes=tuple(NodePlan(node, at, serves[node]) for at, batch in enumerate(order, start=1) for node in batch),
        url=url,
        there=all(aim.see(report).at == "new" for report in reports),
    )
