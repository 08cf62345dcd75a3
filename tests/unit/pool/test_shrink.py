"""Growing, shrinking, losing, being killed: the planner goes on from whatever is there, and reuses no name."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.pool.plan import PoolPlan, PoolRecord, PoolWish, plan_pool
from du_infra.pool.state import Machine, Network, NodeState, NodeView

NETWORK = Network("198.18.0.0/16", "198.18.0.1", "198.18.1.1", "198.18.1.200")
OWNER = "me"


@dataclass
class World:
    """A store's record and a provider's machines, carried from plan to plan."""

    record: PoolRecord = field(default_factory=PoolRecord)
    machines: dict[str, Machine] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)

    def plan(self, nodes: int) -> PoolPlan:
        views = {n: NodeView(n, ready=n not in self.bad) for n in self.machines}
        wish = PoolWish("demo", "home", nodes, "1c1g")
        return plan_pool(wish, self.record, self.machines.values(), NETWORK, OWNER, views)

    def carry_out(self, plan: PoolPlan, *, made: int = 99, gone: int = 99) -> None:
        """As the controller does: the record first; then machines, as many as it lives to make and to destroy."""
        self.record = plan.record
        for name in plan.created[:made]:
            assert name not in self.spent
            address = plan.record.named(name).address
            self.machines[name] = Machine(name, "running", (address, plan.record.vip), OWNER, "demo", "home")
        if made < len(plan.created):
            return
        joined = tuple(replace(n, joined=True) if n.staying else n for n in self.record.nodes)
        self.record = replace(self.record, nodes=joined)
        self.spent |= {n.name for n in joined if n.joined}
        for name in plan.leaving[:gone]:
            self.machines.pop(name, None)
            self.bad.discard(name)
        if gone >= len(plan.leaving):
            nodes = tuple(replace(n, state="") for n in self.record.without(plan.leaving).nodes)
            self.record = replace(self.record, nodes=nodes)

    def up(self, nodes: int) -> PoolPlan:
        plan = self.plan(nodes)
        self.carry_out(plan)
        return plan

    def mark(self, name: str, state: NodeState) -> None:
        nodes = tuple(replace(n, state=state) if n.name == name else n for n in self.record.nodes)
        self.record = replace(self.record, nodes=nodes)


def names(numbers: Collection[int]) -> tuple[str, ...]:
    return tuple(f"demo-home-{number}" for number in numbers)


@pytest.fixture
def three() -> World:
    world = World()
    world.up(3)
    return world


def test_a_middle_node_that_is_bad_leaves_and_no_other_is_touched(three: World) -> None:
    three.bad.add("demo-home-2")
    before = {n.name: n for n in three.record.nodes}
    plan = three.up(2)
    assert plan.leaving == names([2])
    assert (plan.created, plan.lost, plan.stopped, plan.adopted) == ((), (), (), ())
    assert [n.name for n in three.record.nodes] == list(names([1, 3]))
    assert all(before[n.name] == n for n in three.record.nodes)


def test_a_killed_shrink_goes_on_with_the_same_node(three: World) -> None:
    three.carry_out(three.plan(2), gone=0)
    three.bad.add("demo-home-1")  # what is worse since changes nothing: the choice was written down
    assert three.plan(2).leaving == names([3])


def test_a_leaving_node_whose_machine_is_gone_is_forgotten_and_not_replaced(three: World) -> None:
    three.carry_out(three.plan(2), gone=0)
    del three.machines["demo-home-3"]
    plan = three.plan(2)
    assert (plan.lost, plan.created, plan.leaving) == ((), (), ())
    assert len(plan.record.nodes) == 2


def test_a_leaving_node_is_taken_back_when_more_are_wanted_again(three: World) -> None:
    three.carry_out(three.plan(2), gone=0)
    plan = three.plan(3)
    assert (plan.returned, plan.leaving, plan.created) == (names([3]), (), ())
    assert plan.record.named("demo-home-3").state == "returning"
    assert three.plan(4).created == names([4])


def test_a_returning_node_is_told_of_until_it_takes_requests(three: World) -> None:
    three.mark("demo-home-2", "returning")
    assert three.plan(3).returned == names([2])


def test_a_node_to_be_replaced_gets_another_first_and_is_not_taken_back(three: World) -> None:
    three.mark("demo-home-2", "replaced")
    plan = three.plan(3)
    assert (plan.created, plan.leaving, plan.returned) == (names([4]), names([2]), ())
    three.carry_out(plan, made=0)
    assert three.plan(3).created == names([4])
    three.up(3)
    assert [n.name for n in three.record.nodes] == list(names([1, 3, 4]))


def test_a_node_to_be_replaced_that_is_lost_is_simply_lost(three: World) -> None:
    three.mark("demo-home-2", "replaced")
    del three.machines["demo-home-2"]
    plan = three.plan(3)
    assert (plan.lost, plan.created, plan.leaving) == (names([2]), names([4]), ())


def test_a_stopped_machine_that_leaves_is_not_started(three: World) -> None:
    three.machines["demo-home-2"] = replace(three.machines["demo-home-2"], status="stopped")
    three.bad.add("demo-home-2")
    plan = three.plan(2)
    assert (plan.leaving, plan.stopped) == (names([2]), ())


def test_numbers_go_on_after_the_highest_that_left(three: World) -> None:
    three.up(1)
    assert three.up(2).created == names([4])


def test_a_lost_node_and_a_smaller_wish_take_no_further_node(three: World) -> None:
    del three.machines["demo-home-1"]
    plan = three.plan(2)
    assert (plan.lost, plan.leaving, plan.created) == (names([1]), (), ())


def test_a_pool_shrinks_to_the_nodes_that_serve(three: World) -> None:
    three.bad = {"demo-home-1", "demo-home-2"}
    assert three.plan(1).leaving == names([1, 2])


ROUND = st.tuples(
    st.integers(1, 6), st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.integers(0, 6), st.integers(0, 6)
)


@given(st.lists(ROUND, min_size=1, max_size=10))
def test_whatever_is_asked_lost_and_killed_the_pool_comes_to_the_wish(
    rounds: list[tuple[int, set[int], set[int], int, int]],
) -> None:
    world = World()
    for nodes, victims, bad, made, gone in rounds:
        for index in victims:
            if index < len(world.machines):
                world.machines.pop(sorted(world.machines)[index])
        world.bad = {name for index, name in enumerate(sorted(world.machines)) if index in bad}
        counted = {node.name for node in world.record.staying}
        ready = ({*world.machines} - world.bad) & counted
        try:
            plan = world.plan(nodes)
        except Refused:
            continue
        assert len(plan.record.staying) == nodes
        addresses = [plan.record.vip, *(n.address for n in plan.record.nodes)]
        assert len({*addresses}) == len(addresses)
        assert not {*plan.leaving} & {*plan.created}
        assert {*plan.leaving} <= {*world.machines}
        assert not ready or ready - {*plan.leaving}  # of those that served, one stays
        world.carry_out(plan, made=made, gone=gone)
    world.bad = set()
    final = rounds[-1][0]
    world.up(final)
    assert len(world.record.nodes) == len(world.machines) == final
    assert world.plan(final) == PoolPlan(world.record)
