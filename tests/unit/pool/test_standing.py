"""What a region's pool is, by the machines that somebody else's Terraform left."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.pool.plan import PoolRecord, PoolWish
from du_infra.pool.standing import plan_standing
from du_infra.pool.state import Machine, Node, NodeState

OWNER = "0f0f"
WISH = PoolWish("demo", "home", 9, "1c1g")
VIP = "198.18.1.1"


def name(number: int) -> str:
    return f"demo-home-{number}"


def node(number: int, state: NodeState = "", *, joined: bool = True) -> Node:
    return Node(name(number), "1c1g", f"198.18.1.1{number}", joined=joined, state=state)


def machine(number: int, *, owner: str = OWNER, status: str = "running", region: str = "home") -> Machine:
    return Machine(name(number), status, (f"198.18.1.1{number}", VIP), owner, "demo", region)


def record(*nodes: Node, counter: int = 3) -> PoolRecord:
    return PoolRecord(VIP, counter, nodes)


def test_a_machine_of_ours_that_was_asked_for_joins_with_its_own_address() -> None:
    found = plan_standing(WISH, record(node(1)), [machine(1), machine(4)], OWNER, {name(1), name(4)})
    assert found.record == record(node(1), node(4, joined=False), counter=4)
    assert (found.joined, found.lost, found.ignored) == ((name(4),), (), ())


def test_who_is_not_asked_for_or_not_ours_does_not_join() -> None:
    machines = [machine(1), machine(4), machine(5, owner="other"), machine(6, region="away"), machine(7)]
    found = plan_standing(WISH, record(node(1)), machines, OWNER, {name(1), name(7)})
    assert (found.joined, found.ignored) == ((name(7),), (name(4),))


def test_where_nobody_knows_what_was_asked_for_all_of_ours_join() -> None:
    found = plan_standing(WISH, record(node(1)), [machine(1), machine(10), machine(9)], OWNER)
    assert found.joined == (name(9), name(10))


def test_a_node_that_stands_stays_though_nobody_asks_for_it() -> None:
    found = plan_standing(WISH, record(node(1), node(2)), [machine(1), machine(2)], OWNER, {name(2)})
    assert found.record == record(node(1), node(2))


def test_a_node_on_its_way_out_comes_back_only_when_it_is_asked_for() -> None:
    before = record(node(1), node(2, "leaving"))
    machines = [machine(1), machine(2)]
    assert plan_standing(WISH, before, machines, OWNER, {name(1), name(2)}).returned == (name(2),)
    assert plan_standing(WISH, before, machines, OWNER, {name(1)}).record == before
    assert plan_standing(WISH, before, machines, OWNER).record == before


def test_who_left_and_who_was_lost_are_told_apart_and_both_forgotten() -> None:
    before = record(node(1), node(2, "leaving"), node(3), node(4, joined=False), counter=4)
    found = plan_standing(WISH, before, [machine(1)], OWNER, {name(1)})
    assert (found.left, found.lost) == ((name(2),), (name(3),))
    assert found.record == record(node(1), counter=4)


def test_a_stopped_machine_is_to_be_started_unless_it_is_on_its_way_out() -> None:
    before = record(node(1), node(2, "leaving"))
    machines = [machine(1, status="stopped"), machine(2, status="stopped")]
    assert plan_standing(WISH, before, machines, OWNER).stopped == (name(1),)


@pytest.mark.parametrize("before", [PoolRecord(), PoolRecord(VIP, 3, ()), PoolRecord("", 1, (node(1),))])
def test_a_region_that_is_not_up_is_refused(before: PoolRecord) -> None:
    with pytest.raises(Refused, match="not up"):
        plan_standing(WISH, before, [machine(1)], OWNER)


def test_a_region_without_a_machine_is_refused_and_its_record_stays() -> None:
    with pytest.raises(Refused, match="none of the region's machines is left"):
        plan_standing(WISH, record(node(1)), [], OWNER, set())


_STATES = st.sampled_from(["", "leaving", "replaced", "returning"])
_RECORDS = st.dictionaries(st.integers(1, 8), _STATES, min_size=1)
_NUMBERS = st.sets(st.integers(1, 9))


@given(_RECORDS, _NUMBERS, st.none() | _NUMBERS, st.integers(0, 9))
def test_what_stands_is_what_is_there_and_is_found_again(
    known: dict[int, NodeState], there: set[int], asked: set[int] | None, counter: int
) -> None:
    before = record(*(node(number, state) for number, state in known.items()), counter=max(counter, *known))
    machines = [machine(number) for number in there]
    names = None if asked is None else {name(number) for number in asked}
    if not {*known} & there and not there & (there if asked is None else asked):
        with pytest.raises(Refused):
            plan_standing(WISH, before, machines, OWNER, names)
        return
    found = plan_standing(WISH, before, machines, OWNER, names)
    stands = {one.name for one in found.record.nodes}
    assert stands | {*found.ignored} == {name(number) for number in there}
    assert {name(number) for number in known if number in there} <= stands
    assert found.record.counter >= before.counter
    assert all(int(one.rpartition("-")[2]) <= found.record.counter for one in stands)
    again = plan_standing(WISH, found.record, machines, OWNER, names)
    assert again.record == found.record
    assert (again.joined, again.left, again.lost) == ((), (), ())


@pytest.mark.parametrize(
    ("nodes", "before", "wanted"),
    [
        ((node(1), node(2)), 5, 2),
        ((node(1), node(2, "leaving")), 2, 1),
        ((node(1), node(2, "replaced")), 2, 2),  # the other one was not made yet
        ((node(1), node(2, "replaced"), node(3)), 2, 2),
        ((node(1), node(2, "replaced"), node(3), node(4)), 2, 3),
    ],
)
def test_a_node_to_be_replaced_is_no_node_less(nodes: tuple[Node, ...], before: int, wanted: int) -> None:
    machines = [machine(int(one.name.rpartition("-")[2])) for one in nodes]
    assert plan_standing(WISH, record(*nodes), machines, OWNER).wanted(before) == wanted
