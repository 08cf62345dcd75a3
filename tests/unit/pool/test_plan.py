"""The pool planner: names are given out once, addresses never twice, and nobody else's machine is taken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.pool.names import number_of
from du_infra.pool.plan import PoolPlan, PoolRecord, PoolWish, plan_pool
from du_infra.pool.state import Machine, Network, Node

NETWORK = Network("198.18.0.0/16", "198.18.0.1", "198.18.1.1", "198.18.1.60")
OWNER = "me"


def wish(nodes: int) -> PoolWish:
    return PoolWish("demo", "home", nodes, "1c1g")


def machine(node: Node, vip: str, **other: str) -> Machine:
    known = {"status": "running", "owner": OWNER, "fleet": "demo", "region": "home", **other}
    return Machine(node.name, addresses=(node.address, vip), **known)


def made(plan: PoolPlan) -> tuple[PoolRecord, list[Machine]]:
    """The world after a plan was carried out and every node has joined."""
    nodes = tuple(replace(node, joined=True) for node in plan.record.nodes)
    record = replace(plan.record, nodes=nodes)
    return record, [machine(node, record.vip) for node in nodes]


def test_an_empty_region_gets_its_vip_and_its_first_names() -> None:
    plan = plan_pool(wish(2), PoolRecord(), [], NETWORK, OWNER)
    assert [n.name for n in plan.record.nodes] == ["demo-home-1", "demo-home-2"]
    assert plan.created == ("demo-home-1", "demo-home-2")
    assert len({plan.record.vip, *(n.address for n in plan.record.nodes)}) == 3


def test_a_region_that_is_as_it_should_be_plans_nothing() -> None:
    record, machines = made(plan_pool(wish(3), PoolRecord(), [], NETWORK, OWNER))
    again = plan_pool(wish(3), record, machines, NETWORK, OWNER)
    assert (again.record, again.created, again.lost, again.stopped) == (record, (), (), ())


def test_a_node_that_was_lost_is_followed_by_one_with_a_new_name() -> None:
    record, machines = made(plan_pool(wish(2), PoolRecord(), [], NETWORK, OWNER))
    plan = plan_pool(wish(2), record, machines[1:], NETWORK, OWNER)
    assert plan.lost == ("demo-home-1",)
    assert plan.created == ("demo-home-3",)


def test_a_name_that_was_given_out_but_never_used_is_still_good() -> None:
    planned = plan_pool(wish(1), PoolRecord(), [], NETWORK, OWNER).record
    assert plan_pool(wish(1), planned, [], NETWORK, OWNER).created == ("demo-home-1",)


def test_a_machine_of_ours_that_nobody_recorded_is_taken_over() -> None:
    record, machines = made(plan_pool(wish(1), PoolRecord(), [], NETWORK, OWNER))
    plan = plan_pool(wish(1), PoolRecord(vip=record.vip), machines, NETWORK, OWNER)
    assert plan.adopted == ("demo-home-1",)
    assert plan.record.nodes[0].address == record.nodes[0].address
    assert plan.created == ()


def test_a_machine_of_another_size_is_named_for_resizing() -> None:
    record, machines = made(plan_pool(wish(1), PoolRecord(), [], NETWORK, OWNER))
    larger = plan_pool(PoolWish("demo", "home", 1, "2c2g"), record, machines, NETWORK, OWNER)
    assert (larger.resized, larger.record.nodes[0].size) == (("demo-home-1",), "2c2g")
    assert plan_pool(wish(1), record, machines, NETWORK, OWNER).resized == ()


def test_a_stopped_machine_is_named_for_starting() -> None:
    record, machines = made(plan_pool(wish(1), PoolRecord(), [], NETWORK, OWNER))
    plan = plan_pool(wish(1), record, [replace(machines[0], status="stopped")], NETWORK, OWNER)
    assert plan.stopped == ("demo-home-1",)


@pytest.mark.parametrize("owner", ["", "somebody-else"])
def test_a_name_that_somebody_else_uses_is_refused_by_name(owner: str) -> None:
    stranger = Machine("demo-home-7", "running", ("198.18.1.9",), owner=owner)
    with pytest.raises(Refused, match="demo-home-7"):
        plan_pool(wish(1), PoolRecord(), [stranger], NETWORK, OWNER)


def test_machines_with_other_names_are_nobodys_business() -> None:
    stranger = Machine("demo-home-office", "running", ("198.18.1.1",))
    plan = plan_pool(wish(1), PoolRecord(), [stranger], NETWORK, OWNER)
    assert plan.record.vip != "198.18.1.1"


def test_a_smaller_wish_marks_nodes_as_leaving_and_forgets_none() -> None:
    record, machines = made(plan_pool(wish(3), PoolRecord(), [], NETWORK, OWNER))
    plan = plan_pool(wish(1), record, machines, NETWORK, OWNER)
    assert plan.leaving == ("demo-home-2", "demo-home-3")
    assert [n.name for n in plan.record.staying] == ["demo-home-1"]
    assert len(plan.record.nodes) == 3


def test_nodes_that_were_planned_and_never_made_may_be_fewer() -> None:
    planned = plan_pool(wish(3), PoolRecord(), [], NETWORK, OWNER).record
    first = machine(planned.nodes[0], planned.vip)
    plan = plan_pool(wish(1), planned, [first], NETWORK, OWNER)
    assert [n.name for n in plan.record.nodes] == ["demo-home-1"]
    assert plan.record.counter == 3


def test_addresses_that_another_region_took_meanwhile_are_given_anew() -> None:
    planned = plan_pool(wish(2), PoolRecord(), [], NETWORK, OWNER).record
    theirs = Machine("demo-west-1", "running", (planned.nodes[0].address, planned.vip), OWNER, "demo", "west")
    plan = plan_pool(wish(2), planned, [theirs], NETWORK, OWNER)
    assert plan.created == ("demo-home-1", "demo-home-2")
    assert not {plan.record.vip, *(n.address for n in plan.record.nodes)} & set(theirs.addresses)
    assert plan.record.nodes[1] == planned.nodes[1]


def test_a_region_with_machines_keeps_its_vip_and_their_addresses() -> None:
    record, machines = made(plan_pool(wish(1), PoolRecord(), [], NETWORK, OWNER))
    theirs = Machine("demo-west-1", "running", (record.nodes[0].address, record.vip), OWNER, "demo", "west")
    assert plan_pool(wish(1), record, [*machines, theirs], NETWORK, OWNER).record == record


def test_a_full_network_is_refused() -> None:
    with pytest.raises(Refused, match="no address is left"):
        plan_pool(wish(80), PoolRecord(), [], NETWORK, OWNER)


@given(st.lists(st.tuples(st.integers(1, 6), st.sets(st.integers(0, 5))), min_size=1, max_size=8))
def test_whatever_is_lost_no_name_comes_back_and_no_address_is_shared(rounds: list[tuple[int, set[int]]]) -> None:
    record, machines, spent = PoolRecord(), list[Machine](), set[str]()
    for nodes, victims in rounds:
        alive = [m for i, m in enumerate(machines) if i not in victims]
        plan = plan_pool(wish(max(nodes, len(alive))), record, alive, NETWORK, OWNER)
        assert not spent & set(plan.created)
        addresses = [plan.record.vip, *(n.address for n in plan.record.nodes)]
        assert len(set(addresses)) == len(addresses)
        assert len(plan.record.nodes) == max(nodes, len(alive))
        record, machines = made(plan)
        spent |= {m.name for m in machines}
        assert record.counter == max(number_of(name) for name in spent)
