"""What is promised of every backend, asked of each: gdnsd itself, Route 53 on moto, Hetzner on a fake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from du_infra.errors import Busy, Refused
from du_infra.traffic.driver import Backend
from du_infra.traffic.state import Endpoint, Record
from tests.unit.traffic.gdnsd_bed import FRA, record

EQUAL = record(100, 100, 0, ttl=60)

CHANGES = {
    "nothing": EQUAL,
    "one is down": replace(EQUAL, endpoints={**EQUAL.endpoints, "fra": Endpoint(FRA, 100, up=False)}),
    "all are down": record(100, 100, 0, down="fra nbg hel", ttl=60),
    "one is drained": record(0, 100, 100, ttl=60),
    "one is drained and down": record(0, 100, 100, down="fra", ttl=60),
    "one is alone": record(0, 0, 100, ttl=60),
    "another TTL": replace(EQUAL, ttl=300),
    "one is gone": replace(EQUAL, endpoints={name: EQUAL.endpoints[name] for name in ("fra", "hel")}),
    "one is new": replace(EQUAL, endpoints={**EQUAL.endpoints, "sin": Endpoint("192.0.2.77", 100)}),
    "one has moved": replace(EQUAL, endpoints={**EQUAL.endpoints, "fra": Endpoint("192.0.2.99", 100)}),
}

REFUSED = {
    "no region of this name has a weight": (record(0, 0, 0, ttl=60), "the answer would be empty"),
    "a weight that is none": (record(101, 100, ttl=60), "must be 0 to 100"),
    "an address that is none": (replace(EQUAL, endpoints={"fra": Endpoint("1.2.3", 1)}), "is no IP address"),
    "an address with more in it": (replace(EQUAL, endpoints={"fra": Endpoint('1.2.3.4" ]', 1)}), "is no IP address"),
    "a region's name with more in it": (replace(EQUAL, endpoints={"a => {": Endpoint(FRA, 1)}), "no name of a region"),
    "a name that is none": (replace(EQUAL, name="www.exa mple.com"), "no DNS name"),
    "two with one address": (
        replace(EQUAL, endpoints={"fra": Endpoint(FRA, 1), "nbg": Endpoint(FRA, 1)}),
        "2 regions have the address",
    ),
    "both kinds of addresses": (
        replace(EQUAL, endpoints={"fra": Endpoint(FRA, 1), "nbg": Endpoint("2001:db8::1", 1)}),
        "IPv4 and IPv6",
    ),
    "a TTL of nothing": (replace(EQUAL, ttl=0), "takes a TTL from"),
    "a TTL of a week": (replace(EQUAL, ttl=7 * 86400), "takes a TTL from"),
    "another name": (replace(EQUAL, name="ftp.gtm.example.com"), "minds www.gtm.example.com"),
}


def test_nothing_is_known_at_first(any_backend: Backend) -> None:
    assert any_backend.read() is None


def test_what_was_written_is_read(any_backend: Backend) -> None:
    was = None
    for change, wanted in {"first": EQUAL, **CHANGES, "back": EQUAL}.items():
        any_backend.write(wanted, was)
        was = any_backend.read()
        assert was == wanted, change


def test_addresses_may_be_ipv6(any_backend: Backend) -> None:
    wanted = Record(EQUAL.name, 60, {"fra": Endpoint("2001:db8::1", 10), "nbg": Endpoint("2001:db8::2", 10)})
    any_backend.write(wanted, None)
    assert any_backend.read() == wanted


def test_busy_when_somebody_changed_it_meanwhile(any_backend: Backend) -> None:
    any_backend.write(EQUAL, None)
    with pytest.raises(Busy):
        any_backend.write(CHANGES["one is down"], None)
    any_backend.write(CHANGES["one is down"], EQUAL)
    with pytest.raises(Busy):
        any_backend.write(CHANGES["one is drained"], EQUAL)
    assert any_backend.read() == CHANGES["one is down"]


def test_what_makes_no_sense_is_refused_and_nothing_is_touched(any_backend: Backend) -> None:
    any_backend.write(EQUAL, None)
    for wanted, words in REFUSED.values():
        with pytest.raises(Refused, match=words):
            any_backend.write(wanted, EQUAL)
    assert any_backend.read() == EQUAL


def test_a_canary_goes_where_weights_are_known_and_is_refused_elsewhere_with_the_reason(any_backend: Backend) -> None:
    canary = record(5, 95, ttl=60)
    if any_backend.capabilities().weights:
        any_backend.write(canary, None)
        assert any_backend.read() == canary
        return
    with pytest.raises(Refused, match="a canary there would get a full share"):
        any_backend.write(canary, None)


def test_every_backend_names_its_servers(any_backend: Backend) -> None:
    assert any_backend.servers()
    assert all(isinstance(server, str) and server for server in any_backend.servers())
