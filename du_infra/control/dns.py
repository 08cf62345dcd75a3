"""The nodes of a region as DNS servers."""

from __future__ import annotations

from du_infra.control.context import RegionContext


def answers_dns(context: RegionContext) -> bool:
    """Whether fleet.yaml has gdnsd run on the region's nodes."""
    traffic = context.fleet.traffic
    return traffic is not None and traffic.backend == "gdnsd" and context.name in traffic.gdnsd.regions
