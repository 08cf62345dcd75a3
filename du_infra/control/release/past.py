"""What is known of a region's releases: how each service stands, and what was released before."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.observe import observe_nodes
from du_infra.control.release import site
from du_infra.control.release.resolve import over_words
from du_infra.control.release.rows import lease_of
from du_infra.health.state import NodeReport
from du_infra.release.state import Holder, Json, Rollout, moment


@dataclass(frozen=True)
class NodeStanding:
    """One node's view of a service: what serves, what is beside it ("" for nothing), how many connections linger.

    ``share`` is the percent of the requests that go to ``canary``; ``answers`` is false where du-node does not.
    """

    node: str
    answers: bool
    serves: str
    ready: bool
    backup: str = ""
    canary: str = ""
    share: int = 0
    preview: str = ""
    lingering: int = 0
    why: str = ""


@dataclass(frozen=True)
class Standing:
    """How a service stands: its newest release, who is at work on it, and what every node shows.

    ``cut_off`` is true for a release that came to no end and that nobody works on; ``over`` says, in words, that
    another release runs than fleet.yaml says.
    """

    service: str
    rollout: Rollout | None
    holder: Holder | None
    nodes: tuple[NodeStanding, ...]
    over: str = ""

    @property
    def cut_off(self) -> bool:
        """Whether a release was left in the middle."""
        return self.rollout is not None and self.rollout.cut_off(self.holder is not None)

    def to_json(self) -> Json:
        """The stable form of ``release status --output json`` for one service."""
        holder = self.holder and {**vars(self.holder), "since": moment(self.holder.since)}
        return {
            "service": self.service,
            "release": self.rollout.to_json() if self.rollout else None,
            "at_work": holder,
            "cut_off": self.cut_off,
            "over": self.over,
            "nodes": [vars(node) for node in self.nodes],
        }


def standings(context: RegionContext, service: str = "") -> list[Standing]:
    """How the region's services stand, or one of them. Raises SpecError for a service that is not there."""
    names = [service] if service else list(context.services)
    for name in names:
        site.service_of(context, name)
    if not context.is_begun:
        return [Standing(name, None, None, ()) for name in names]
    reports = observe_nodes(context, context.store.pool(context.name).nodes)
    over = over_words(context)
    return [_standing(context, name, reports, over.get(name, "")) for name in names]


def history(context: RegionContext, service: str = "", *, limit: int = 50) -> list[Rollout]:
    """The region's releases, or those of one service, the newest first."""
    return context.store.rollouts.history(context.name, service, limit=limit) if context.is_begun else []


def at_work(context: RegionContext, service: str) -> Holder | None:
    """Who is at work on a service's release; None when nobody is."""
    return context.store.leases.holder(lease_of(context, service)) if context.is_begun else None


def under_way(context: RegionContext) -> dict[str, str]:
    """What is open, by service, in words: who releases what since when; held; or cut off."""
    rows = context.store.rollouts.open(context.name)
    return {name: _words(row, at_work(context, name)) for name, row in rows.items()}


def _words(row: Rollout, holder: Holder | None) -> str:
    goes = f"{row.release} goes back to {row.previous or 'nothing'}" if row.direction == "back" else row.release
    if holder:
        return f"{row.kind} of {goes}, by {holder.who} for {time.time() - holder.since:.0f} s"
    if row.state == "held":
        return f"{row.release} is held on its preview by {row.actor}: promote or abort it"
    return f"{row.kind} of {goes} was cut off: resume or abort it, or leave it to `control run`"


def _standing(context: RegionContext, name: str, reports: Sequence[NodeReport], over: str) -> Standing:
    newest = next(iter(context.store.rollouts.history(context.name, name, limit=1)), None)
    nodes = tuple(_node(name, report) for report in reports)
    return Standing(name, newest, at_work(context, name), nodes, over)


def _node(name: str, report: NodeReport) -> NodeStanding:
    row: dict[str, Any] = next((dict(row) for row in report.services if row["name"] == name), {})
    return NodeStanding(
        node=report.name,
        answers=report.answers,
        serves=str(row.get("release") or ""),
        ready=bool(row.get("ready")),
        backup=str(row.get("backup") or ""),
        canary=str(row.get("canary") or ""),
        share=int(row.get("share") or 0),
        preview=str(row.get("preview") or ""),
        lingering=int(row.get("lingering") or 0),
        why=str(row.get("why") or report.why),
    )
