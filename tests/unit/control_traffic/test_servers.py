"""Where gdnsd runs by fleet.yaml's word, and where each one is asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.control.context import RegionContext
from du_infra.control.traffic import servers
from du_infra.control.traffic.entrance import Entrance
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent
from du_infra.spec import load_spec
from du_infra.spec.traffic import DnsServerSpec, GdnsdSpec
from du_infra.traffic.connect import nameservers
from tests.unit.control_traffic.world import FLEET

POOL = PoolRecord(
    "198.18.1.1",
    2,
    (Node("demo-a-1", "1c1g", "198.18.1.2", joined=True), Node("demo-a-2", "1c1g", "198.18.1.3")),
)


@pytest.fixture
def regions(tmp_path: Path) -> Mapping[str, RegionContext]:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    return Entrance(load_spec(tmp_path / "fleet.yaml"), tmp_path).regions


def test_each_server_is_asked_at_its_own_address_and_port(regions: Mapping[str, RegionContext]) -> None:
    named = (
        DnsServerSpec(address="192.0.2.53"),
        DnsServerSpec(address="192.0.2.54", port=5353),
        DnsServerSpec(address="2001:db8::53", port=5353),
    )
    found = servers.servers_of(GdnsdSpec(servers=named), regions, lambda _: POOL)
    assert [one.ask for one in found] == ["192.0.2.53:53", "192.0.2.54:5353", "[2001:db8::53]:5353"]
    assert [one.listen for one in found] == [(one.ask,) for one in found]
    assert [one.target and one.target.address for one in found] == ["192.0.2.53", "192.0.2.54", "2001:db8::53"]


def test_an_address_of_this_machine_is_reached_without_ssh_and_has_files_of_its_own(
    regions: Mapping[str, RegionContext],
) -> None:
    named = (DnsServerSpec(address="127.0.0.1", port=5301), DnsServerSpec(address="127.0.0.1", port=5302))
    first, second = servers.servers_of(GdnsdSpec(servers=named), regions, lambda _: POOL)
    assert (first.target, second.target, first.ask) == (None, None, "127.0.0.1:5301")
    assert first.folder != second.folder


def test_nodes_that_have_joined_answer_at_port_53(regions: Mapping[str, RegionContext]) -> None:
    (one,) = servers.servers_of(GdnsdSpec(regions=("a",)), regions, lambda _: POOL)
    assert (one.name, one.ask, one.listen) == ("demo-a-1", "198.18.1.2", ("198.18.1.2",))


def test_a_nodes_name_server_keeps_its_name_and_has_the_address_that_the_world_finds(
    regions: Mapping[str, RegionContext],
) -> None:
    spec = GdnsdSpec(
        servers=(DnsServerSpec(address="192.0.2.53"),), regions=("a",), addresses={"demo-a-2": "203.0.113.2"}
    )
    both = replace(POOL, nodes=tuple(replace(node, joined=True) for node in POOL.nodes))
    hosts = nameservers(servers.servers_of(spec, regions, lambda _: both))
    assert hosts == {"ns1": "192.0.2.53", "demo-a-1": "198.18.1.2", "demo-a-2": "203.0.113.2"}
    first_left = replace(POOL, nodes=both.nodes[1:])
    hosts = nameservers(servers.servers_of(spec, regions, lambda _: first_left))
    assert hosts == {"ns1": "192.0.2.53", "demo-a-2": "203.0.113.2"}


def test_every_server_is_one_that_the_record_is_verified_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "fleet.yaml"
    more = "  gdnsd: {servers: [{address: 192.0.2.53}, {address: 192.0.2.54, port: 5353}], regions: [a]}\n"
    file.write_text(FLEET + more)
    (tmp_path / ".du").mkdir(mode=0o700)
    entrance = Entrance(load_spec(file), tmp_path)
    entrance.store.save_pool("a", POOL)
    backend = entrance.backend(entrance.servers(entrance.records()), silent)
    assert list(backend.servers()) == [
        "192.0.2.53:53",
        "192.0.2.54:5353",
        "198.18.1.2",
    ]
