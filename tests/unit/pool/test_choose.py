"""Who leaves first: the node that is missed least, and never the last one that serves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.pool.choose import choose_leaving, choose_returning
from du_infra.pool.state import Node, NodeView


def node(number: int, **fields: bool) -> Node:
    return Node(f"demo-home-{number}", "1c1g", f"198.18.1.{number}", **{"joined": True, **fields})


def seen(*views: NodeView) -> dict[str, NodeView]:
    return {view.name: view for view in views}


GOOD = [node(number) for number in (1, 2, 3, 4)]
ALL_WELL = seen(*(NodeView(one.name) for one in GOOD))


def test_of_equal_nodes_the_highest_number_leaves_first() -> None:
    assert choose_leaving(GOOD, ALL_WELL, 2) == ("demo-home-4", "demo-home-3")


def test_numbers_are_compared_as_numbers() -> None:
    nodes = [node(9), node(10)]
    assert choose_leaving(nodes, seen(*(NodeView(one.name) for one in nodes)), 1) == ("demo-home-10",)


def test_the_holder_of_the_address_stays_if_another_can_go() -> None:
    views = ALL_WELL | seen(NodeView("demo-home-4", front=True))
    assert choose_leaving(GOOD, views, 1) == ("demo-home-3",)
    assert choose_leaving(GOOD, views, 3) == ("demo-home-3", "demo-home-2", "demo-home-1")


def test_a_drained_node_goes_before_one_that_takes_requests_whoever_holds_the_address() -> None:
    views = ALL_WELL | seen(NodeView("demo-home-2", drained=True, front=True))
    assert choose_leaving(GOOD, views, 1) == ("demo-home-2",)


def test_a_node_that_is_not_ready_goes_before_a_drained_one() -> None:
    views = ALL_WELL | seen(NodeView("demo-home-1", ready=False), NodeView("demo-home-2", drained=True))
    assert choose_leaving(GOOD, views, 2) == ("demo-home-1", "demo-home-2")


def test_a_node_that_never_joined_goes_before_all_others() -> None:
    nodes = [node(1, joined=False), *GOOD[1:]]
    views = ALL_WELL | seen(NodeView("demo-home-3", answers=False, ready=False))
    assert choose_leaving(nodes, views, 2) == ("demo-home-1", "demo-home-3")


def test_a_node_nobody_has_seen_counts_as_dead() -> None:
    views = {name: view for name, view in ALL_WELL.items() if name != "demo-home-2"}
    assert choose_leaving(GOOD, views, 1) == ("demo-home-2",)


def test_nobody_leaves_when_none_is_to() -> None:
    assert choose_leaving(GOOD, ALL_WELL, 0) == ()
    assert choose_leaving(GOOD, ALL_WELL, -2) == ()
    assert choose_leaving([], {}, 0) == ()


def test_a_region_is_not_emptied() -> None:
    with pytest.raises(Refused, match="no node would be left"):
        choose_leaving(GOOD, ALL_WELL, 4)


def test_the_best_of_those_on_their_way_out_is_taken_back() -> None:
    views = ALL_WELL | seen(NodeView("demo-home-1", ready=False))
    assert choose_returning(GOOD, views, 1) == ("demo-home-2",)


VIEWS = st.builds(NodeView, st.just(""), st.booleans(), st.booleans(), st.booleans(), st.booleans())


@given(st.lists(st.tuples(st.booleans(), VIEWS), max_size=7), st.integers(-1, 7))
def test_whatever_is_seen_the_last_ready_node_never_leaves_by_choice(
    pool: list[tuple[bool, NodeView]], count: int
) -> None:
    nodes = [node(number, joined=joined) for number, (joined, _) in enumerate(pool, 1)]
    views = {
        one.name: NodeView(one.name, view.answers, view.ready, view.front, view.drained)
        for one, (_, view) in zip(nodes, pool, strict=True)
    }
    ready = {name for name, view in views.items() if view.answers and view.ready}
    try:
        going = choose_leaving(nodes, views, count)
    except Refused:
        assert count > 0
        return
    assert len(going) == len(set(going)) == min(max(0, count), len(nodes))
    assert not going or len(going) < len(nodes)
    assert not ready or ready - {*going}
    assert going == choose_leaving(list(reversed(nodes)), views, count)


def test_a_server_of_the_cluster_goes_last_of_all() -> None:
    views = {one.name: NodeView(one.name, front=True) for one in GOOD}
    views["demo-home-1"] = NodeView("demo-home-1", answers=False, ready=False, server=True)
    assert "demo-home-1" not in choose_leaving(GOOD, views, len(GOOD) - 2)
