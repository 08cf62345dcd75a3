"""Where gdnsd runs, by fleet.yaml's word: on this machine, on others by address, on the nodes of regions."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Mapping

from du_infra.control.context import RegionContext
from du_infra.engines.ssh import Target
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.spec.traffic import DnsServerSpec, GdnsdSpec
from du_infra.traffic.gdnsd import local
from du_infra.traffic.gdnsd.setup import Server
from du_infra.traffic.where import joined

_HERE = DnsServerSpec(address="127.0.0.1")


def servers_of(
    spec: GdnsdSpec, regions: Mapping[str, RegionContext], pool: Callable[[str], PoolRecord]
) -> tuple[Server, ...]:
    """One for each gdnsd; ``pool`` gives a region's nodes. Without a word in fleet.yaml it is one on this machine."""
    any_region = next(iter(regions.values()))
    named = spec.servers or (() if spec.regions else (_HERE,))
    nodes = [(regions[name], node) for name in spec.regions for node in pool(name).staying if node.joined]
    return (
        *(_by_address(one, any_region) for one in named),
        *(_on_node(node, spec.addresses.get(node.name, ""), where) for where, node in nodes),
    )


def _on_node(node: Node, public: str, where: RegionContext) -> Server:
    """No machine's name is used twice, so that a name server is called the same as long as it is there."""
    target = where.target(node)
    return Server(node.name, (node.address,), node.address, target=target, host=node.name, public=public)


def _by_address(one: DnsServerSpec, fleet: RegionContext) -> Server:
    """On an address of this machine its files are the fleet's; elsewhere it is reached as root with the fleet's key."""
    at = joined(one.address, one.port)
    if _is_ours(one.address):
        return local.here(fleet.state / "gdnsd" / at, one.address, one.port, at)
    hosts = fleet.state / "gdnsd" / "known_hosts"
    return Server(at, (at,), at, target=Target(one.address, one.address, fleet.key_file, hosts))


def _is_ours(address: str) -> bool:
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        try:
            link.bind((address, 0))
        except OSError:
            return False
    return True
