"""The nodes of a region as DNS servers."""

from __future__ import annotations

from du_infra.control.context import RegionContext
from du_infra.traffic.gdnsd.setup import Server


def answers_dns(context: RegionContext) -> bool:
    """Whether fleet.yaml has gdnsd run on the region's nodes."""
    traffic = context.fleet.traffic
    return traffic is not None and traffic.backend == "gdnsd" and context.name in traffic.gdnsd.regions


def dns_servers(context: RegionContext) -> list[Server]:
    """Each recorded node as a server; none where the region answers no DNS."""
    if not answers_dns(context):
        return []
    return [
        Server(node.name, (node.address,), node.address, target=context.target(node)) for node in context.record.nodes
    ]
