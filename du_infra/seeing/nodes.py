"""How each node stands, in one word. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from du_infra.health.heal import GONE, Sighting, View
from du_infra.health.state import NodeReport, VipReport
from du_infra.seeing.state import NodeSeen, NodeStanding


def nodes_seen(
    views: Sequence[View], reports: Sequence[NodeReport], sightings: Mapping[str, Sighting]
) -> tuple[NodeSeen, ...]:
    """One for each node, in their order."""
    return tuple(_node(view, told, sightings.get(view.name)) for view, told in zip(views, reports, strict=True))


def standing_of(view: View, told: NodeReport, sighting: Sighting | None) -> NodeStanding:
    """What counts most of all that is known of it."""
    if view.going:
        return "leaving"
    if sighting:
        return sighting.condition
    if not view.joined:
        return "joining"
    if view.machine == GONE:
        return "gone"
    if not told.reachable:
        return "silent"
    if told.draining:
        return "drained"
    return "serving" if view.serving else "unready"


def front_report(reports: Sequence[NodeReport]) -> VipReport:
    """The region's address by its nodes' own word: it serves when one that holds it takes requests.

    The loop does not ask the address itself: where nothing answers there, that would cost each pass seconds.
    """
    holders = [told for told in reports if told.front]
    if any(told.takes_requests for told in holders):
        return VipReport(200, ready=True)
    if holders:
        return VipReport(503, why=f"{holders[0].name} holds it and takes no requests")
    return VipReport(why="no node says that it holds it")


def _node(view: View, told: NodeReport, sighting: Sighting | None) -> NodeSeen:
    return NodeSeen(
        name=view.name,
        address=told.address,
        standing=standing_of(view, told, sighting),
        machine=view.machine,
        front=told.front,
        cpu_percent=told.load.get("cpu_percent"),
        memory_percent=told.load.get("memory_percent"),
        disk_percent=told.disk.get("used_percent"),
        why=told.why,
    )
