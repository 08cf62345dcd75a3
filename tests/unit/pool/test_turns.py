"""In a round every node has its turn once, one at a time, and whoever is killed on the way is gone on with."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.pool.state import Node, NodeState, NodeView
from du_infra.pool.turns import Round, next_turn, refuse_unless_others_serve, turns

NAMES = [f"demo-home-{number}" for number in range(1, 7)]
SETTINGS = settings(max_examples=300, deadline=None)
STATES: list[NodeState] = ["", "", "", "returning", "leaving", "replaced"]


def node(name: str, state: NodeState = "") -> Node:
    return Node(name, "1c1g", "", joined=True, state=state)


def well(names: list[str], front: str = "") -> dict[str, NodeView]:
    return {name: NodeView(name, front=name == front) for name in names}


pools = st.lists(
    st.builds(node, st.sampled_from(NAMES), st.sampled_from(STATES)),
    min_size=1,
    max_size=6,
    unique_by=lambda one: one.name,
)
views = st.dictionaries(
    st.sampled_from(NAMES),
    st.builds(NodeView, st.just(""), *[st.sampled_from([True, True, True, False])] * 2, st.booleans(), st.booleans()),
)
rounds = st.builds(
    Round,
    st.just("upgrade"),
    st.lists(st.sampled_from(NAMES), unique=True).map(tuple),
    st.sampled_from(["", *NAMES]),
)


@SETTINGS
@given(pools, views, rounds)
def test_nobody_has_a_turn_while_another_takes_no_requests(
    pool: list[Node], views: dict[str, NodeView], begun: Round
) -> None:
    try:
        name = next_turn(pool, views, begun)
    except Refused:
        return
    staying = {one.name for one in pool if one.staying}
    if name:
        assert name in staying
        assert name not in begun.done
        assert all(other in views and views[other].takes_requests for other in staying - {name})


@SETTINGS
@given(pools, views, rounds)
def test_the_holder_of_the_address_comes_last_unless_its_turn_was_cut_off(
    pool: list[Node], views: dict[str, NodeView], begun: Round
) -> None:
    order = turns(pool, views, begun)
    holders = [name for name in order if name in views and views[name].front and name != begun.turn]
    assert order[len(order) - len(holders) :] == tuple(holders)
    assert len(set(order)) == len(order)


@SETTINGS
@given(pools, views, rounds)
def test_a_turn_that_was_cut_off_ends_before_another_begins(
    pool: list[Node], views: dict[str, NodeView], begun: Round
) -> None:
    order = turns(pool, views, begun)
    if begun.turn in order:
        assert order[0] == begun.turn
        assert next_turn(pool, views, begun, force=True) == begun.turn


@dataclass
class World:
    """A region in which turns are had: who is away, how often each was, and who holds the address."""

    names: list[str]
    front: str
    away: set[str] = field(default_factory=set)
    had: list[str] = field(default_factory=list)

    def views(self) -> dict[str, NodeView]:
        return {
            name: NodeView(name, ready=name not in self.away, drained=name in self.away, front=name == self.front)
            for name in self.names
        }

    def go(self, name: str) -> None:
        self.away.add(name)
        assert self.away == {name}
        if self.front == name and len(self.names) > 1:
            self.front = next(other for other in self.names if other != name)

    def come(self, name: str) -> None:
        self.away.discard(name)
        self.had.append(name)


@SETTINGS
@given(st.integers(1, 6), st.data())
def test_every_round_ends_with_each_node_done_once_wherever_it_is_killed(count: int, data: Any) -> None:
    names = NAMES[:count]
    world, begun = World(names, data.draw(st.sampled_from(names))), Round("reboot")
    holder, kills = world.front, data.draw(st.lists(st.sampled_from(["turn", "away", "back"]), max_size=5))
    for _ in range(count + len(kills)):
        name = next_turn([node(one) for one in names], world.views(), begun)
        if not name:
            break
        kill = kills.pop() if kills else ""
        begun = replace(begun, turn=name)
        if kill == "turn":
            continue
        if name not in world.had:  # whether it was rebooted is seen by its boot
            world.go(name)
            if kill == "away":
                continue
            world.come(name)
        if kill == "back":
            continue
        begun = replace(begun, done=(*begun.done, name), turn="")
    assert next_turn([node(one) for one in names], world.views(), begun) == ""
    assert sorted(world.had) == names
    assert world.had[-1] == holder
    assert not world.away


def test_the_error_names_who_takes_no_requests_and_whose_turn_it_would_be() -> None:
    views = well(NAMES[:2]) | {NAMES[2]: NodeView(NAMES[2], drained=True)}
    with pytest.raises(Refused, match=f"so {NAMES[0]} stays") as caught:
        refuse_unless_others_serve(NAMES[0], [node(name) for name in NAMES[:4]], views)
    assert caught.value.where == f"{NAMES[2]}, {NAMES[3]}"


def test_a_node_on_its_way_out_neither_has_a_turn_nor_hinders_one() -> None:
    pool = [node(NAMES[0]), node(NAMES[1], "leaving"), node(NAMES[2], "replaced")]
    assert turns(pool, well(NAMES[:1]), Round("reboot")) == (NAMES[0],)
    assert next_turn(pool, well(NAMES[:1]), Round("reboot")) == NAMES[0]


def test_the_only_node_of_a_region_has_its_turn() -> None:
    assert next_turn([node(NAMES[0])], well(NAMES[:1], NAMES[0]), Round("reboot")) == NAMES[0]


def test_numbers_are_in_order_and_the_tenth_comes_after_the_second() -> None:
    names = ["a-10", "a-2", "a-1"]
    assert turns([node(name) for name in names], well(names, "a-1"), Round("reboot")) == ("a-2", "a-10", "a-1")
