"""What has to happen to a region, as data. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from du_infra.autoscale.copies import Copies
from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolPlan
from du_infra.pool.turns import RoundKind
from du_infra.release.aim import Aim
from du_infra.release.goal import Goal

Kind: TypeAlias = (
    Literal["create", "adopt", "resize", "start", "configure", "deploy", "remove", "copies", "return", "leave"]
    | RoundKind
)


@dataclass(frozen=True)
class Action:
    """One thing to do: ``kind`` to ``target`` (a node, or a node and a service), and why."""

    kind: Kind
    target: str
    why: str


@dataclass(frozen=True)
class RegionPlan:
    """The actions that bring a region to what fleet.yaml says, in order; empty when it is there.

    ``notes`` say what is left alone although fleet.yaml says something else: releases made by hand, or open ones.
    """

    region: str
    actions: tuple[Action, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``region plan --output json``."""
        actions = [asdict(action) for action in self.actions]
        return {"region": self.region, "actions": actions, "notes": list(self.notes)}


def plan_region(
    region: str,
    pool: PoolPlan,
    reports: Mapping[str, NodeReport],
    configurations: Mapping[str, str],
    goal: Goal,
    copies: Iterable[Copies] = (),
) -> RegionPlan:
    """Everything between what is and what should be.

    ``reports`` and ``configurations`` (the hash of what Ansible should have put there) go by node name;
    ``goal`` is where the services go (release.goal), ``copies`` what becomes of a cluster's copies.
    """
    shared = (Action("copies", one.service, one.due) for one in copies if one.due)
    return RegionPlan(region, (*_actions(pool, reports, configurations, goal.aim), *shared))


def same_runtime(reports: Iterable[NodeReport], runtime: str) -> None:
    """Raises Refused when a node has another runtime: what runs in one is not taken over by the other."""
    for report in reports:
        if report.runtime not in ("", runtime):
            raise Refused(
                f"this node was made with runtime: {report.runtime}, and fleet.yaml now says {runtime}",
                where=report.name,
                todo="put it back, or give the region another name and take the old one down",
            )


def why_configure(report: NodeReport, configuration: str) -> str:
    """Why Ansible has to run on a node, or "" when it has not."""
    if not report.reachable:
        return f"it did not say how it is: {report.why}"
    if not report.installed:
        return "new node"
    if report.drift:
        return f"changed by hand: {', '.join(report.drift)}"
    if report.configured != configuration:
        return (
            "playbooks, settings or the other nodes changed" if report.configured else "an earlier run did not finish"
        )
    return ""


def _actions(
    pool: PoolPlan, reports: Mapping[str, NodeReport], configurations: Mapping[str, str], aim: Aim
) -> Iterable[Action]:
    for name in pool.created:
        yield Action("create", name, _why_create(pool))
    for name in pool.adopted:
        yield Action("adopt", name, "ours, and not recorded")
    for name in pool.resized:
        yield Action("resize", name, "fleet.yaml says another size")
    for name in pool.stopped:
        yield Action("start", name, "it is stopped; what else it needs is seen once it runs")
    without = f"without {', '.join(pool.leaving)}" if pool.leaving else ""
    for node in pool.record.staying:
        if node.name in pool.stopped:
            continue
        report = reports.get(node.name) or NodeReport(node.name, node.address, installed=False)
        if why := why_configure(report, configurations.get(node.name, "")) or without:
            yield Action("configure", node.name, why)
        if aim.see(report).at != "new":
            yield from _service_actions(report, aim)
    for name in pool.returned:
        yield Action("return", name, "it is to take requests again")
    for name in pool.leaving:
        yield Action("leave", name, _why_leave(pool, name))


def _why_create(pool: PoolPlan) -> str:
    missed = [*pool.lost, *(node.name for node in pool.record.nodes if node.state == "replaced")]
    return f"in place of {', '.join(missed)}" if missed else f"{len(pool.record.staying)} node(s) are asked for"


def _why_leave(pool: PoolPlan, name: str) -> str:
    if pool.record.named(name).state == "replaced":
        return "another takes its place; drained, then destroyed"
    return f"{len(pool.record.staying)} node(s) are asked for; drained, then destroyed"


def _service_actions(report: NodeReport, aim: Aim) -> Iterable[Action]:
    running = {entry["name"]: entry for entry in report.services}
    for name, record in aim.targets.items():
        there = running.get(name)
        target = f"{report.name}/{name}"
        if there is None or not there.get("release"):
            yield Action("deploy", target, f"release {record['release']}")
        elif there["release"] != record["release"]:
            yield Action("deploy", target, f"release {there['release']} → {record['release']}")
        elif not there.get("ready"):
            yield Action("deploy", target, there.get("why") or "not ready")
    for name in sorted(aim.drop & running.keys()):
        yield Action("remove", f"{report.name}/{name}", "not in fleet.yaml any more")
