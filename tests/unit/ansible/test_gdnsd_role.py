"""The role gdnsd, and the port that it needs."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from du_infra.control.context import RegionContext
from du_infra.control.dns import answers_dns
from du_infra.control.traffic.servers import servers_of
from du_infra.engines.ssh import Target
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.spec.traffic import TrafficSpec
from du_infra.traffic.gdnsd.setup import Server
from tests.templates import rendered

TOLD: dict[str, Any] = {
    "du_runtime": "containerd",
    "du_peers": [],
    "du_admin_cidrs": ["198.18.0.1/32"],
    "du_interface": "eth0",
    "du_vip": "198.18.1.1/16",
}


def region(name: str, backend: str = "gdnsd") -> RegionContext:
    spec = {"zone": "example.com", "record": "www", "backend": backend, "gdnsd": {"regions": ["fra"]}}
    record = PoolRecord(nodes=(Node("demo-fra-1", "1c1g", "198.18.1.2", joined=True),))
    return cast(
        RegionContext,
        SimpleNamespace(
            name=name,
            fleet=SimpleNamespace(traffic=TrafficSpec.model_validate(spec) if backend else None),
            record=record,
            target=lambda node: Target(node.name, node.address, Path("/key"), Path("/hosts")),
        ),
    )


def test_the_port_of_dns_is_open_only_where_the_region_answers_dns() -> None:
    rule = "meta l4proto { tcp, udp } th dport 53 accept"
    assert rule not in rendered("firewall", "du-infra.nft.j2", **TOLD)
    assert rule in rendered("firewall", "du-infra.nft.j2", du_dns=True, **TOLD)


def test_gdnsd_is_started_with_the_folder_that_is_written_and_only_when_it_is_there() -> None:
    folder = str(Server("n", ("192.0.2.1",), "192.0.2.1").folder)
    unit = rendered("gdnsd", "gdnsd.conf.j2")
    assert f"ConditionPathExists={folder}/current/config\n" in unit
    assert f"ExecStart=/usr/sbin/gdnsd -l -c {folder}/current start\n" in unit
    assert f"PathExists={folder}/current/config\n" in rendered("gdnsd", "du-gdnsd.path.j2")


def test_a_regions_nodes_are_servers_where_fleet_yaml_says_so() -> None:
    assert answers_dns(region("fra"))
    assert not answers_dns(region("nbg"))
    assert not answers_dns(region("fra", "route53"))
    assert not answers_dns(region("fra", ""))
    fra = region("fra")
    assert fra.fleet.traffic is not None
    (server,) = servers_of(fra.fleet.traffic.gdnsd, {"fra": fra}, lambda name: fra.record)
    assert (server.name, server.listen, server.ask) == ("demo-fra-1", ("198.18.1.2",), "198.18.1.2")
    assert server.target and server.target.address == "198.18.1.2"
