"""What a provider has is looked through once; a plan costs what its own region costs."""

from __future__ import annotations

import resource
import time

import pytest

from du_infra.errors import Refused
from du_infra.pool.plan import PoolRecord, PoolWish, plan_pool
from du_infra.pool.state import Machine, Network, Node, NodeView
from du_infra.pool.survey import Survey

NETWORK = Network("10.0.0.0/8", "10.0.0.1", "10.0.0.2", "10.255.255.254")
REGIONS, NODES = 1000, 10


def region(number: int) -> PoolRecord:
    stem = f"10.{number // 250}.{number % 250}"
    nodes = tuple(Node(f"demo-r{number}-{n}", "1c1g", f"{stem}.{n}", joined=True) for n in range(1, NODES + 1))
    return PoolRecord(f"{stem}.200", NODES, nodes)


def machines(number: int, record: PoolRecord) -> list[Machine]:
    addresses = [(node.name, (node.address, record.vip)) for node in record.nodes]
    return [Machine(name, "running", both, "me", "demo", f"r{number}") for name, both in addresses]


def test_a_thousand_regions_of_ten_nodes_are_planned_within_five_seconds_and_500_mb() -> None:
    records = [region(number) for number in range(REGIONS)]
    everything = [machine for number, record in enumerate(records) for machine in machines(number, record)]
    began = time.process_time()
    survey = Survey(everything)
    plans = []
    for number, record in enumerate(records):
        wish = PoolWish("demo", f"r{number}", NODES - 1 + number % 3, "1c1g")  # one shrinks, one stays, one grows
        views = {node.name: NodeView(node.name) for node in record.nodes}
        plans.append(plan_pool(wish, record, survey, NETWORK, "me", views))
    assert time.process_time() - began < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 < 500
    assert [len(plan.leaving) for plan in plans[:3]] == [1, 0, 0]
    assert [len(plan.created) for plan in plans[:3]] == [0, 0, 1]


def test_addresses_that_a_machine_has_or_that_are_given_are_not_free() -> None:
    survey = Survey([Machine("x", "running", ("10.0.0.2", "10.0.0.5"))])
    free = survey.free(NETWORK, ["10.0.0.3", ""])
    assert [next(free), next(free)] == ["10.0.0.4", "10.0.0.6"]


def test_the_first_and_the_last_address_of_a_byte_are_nobodys() -> None:
    small = Network("10.0.0.0/16", "10.0.0.1", "10.0.0.254", "10.0.1.1")
    assert [*zip(range(2), Survey([]).free(small, []), strict=False)] == [(0, "10.0.0.254"), (1, "10.0.1.1")]
    with pytest.raises(Refused, match="no address is left"):
        list(Survey([]).free(small, []))


def test_an_address_is_held_by_others_only() -> None:
    survey = Survey([Machine("a", "running", ("10.0.0.2",)), Machine("b", "running", ("10.0.0.2",))])
    assert survey.held("10.0.0.2", {"a"})
    assert not survey.held("10.0.0.2", {"a", "b"})
    assert not survey.held("10.0.0.9", ())
