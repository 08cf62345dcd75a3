"""The backend that fleet.yaml names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence

from du_infra.errors import SpecError
from du_infra.progress import Reporter
from du_infra.spec.traffic import TrafficSpec
from du_infra.traffic.driver import Backend
from du_infra.traffic.gdnsd.backend import Gdnsd
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.hetzner.backend import Hetzner
from du_infra.traffic.route53.backend import Route53
from du_infra.traffic.where import split


def connect(traffic: TrafficSpec, nodes: Sequence[Server], token: Callable[[], str], report: Reporter) -> Backend:
    """``nodes`` run gdnsd, and only it needs them; ``token`` gives Hetzner's, and is called only for it.

    Nothing is asked yet. Raises SpecError when gdnsd has no server.
    """
    if traffic.backend == "route53":
        aws = traffic.route53
        return Route53(traffic.zone, traffic.name, report, zone_id=aws.zone_id, checks=aws.health_checks)
    if traffic.backend == "hetzner":
        return Hetzner(traffic.zone, traffic.name, token())
    if not nodes:
        raise SpecError("gdnsd has no server yet", where="traffic.gdnsd", todo="bring up a region that it names")
    return Gdnsd(Zone(traffic.zone, traffic.name, nameservers(nodes)), nodes, report)


def nameservers(nodes: Sequence[Server]) -> dict[str, str]:
    """Each server's host name in the zone, and where the world finds it: what the parent zone must delegate to."""
    return {
        node.host or f"ns{number}": node.public or str(ipaddress.ip_address(split(node.ask)[0]))
        for number, node in enumerate(nodes, 1)
    }
