"""Copies of a service that share a node while another has none: said when it is sure, and only then."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from du_infra.health.spread import crowd_of
from du_infra.health.state import Crowd, NodeReport


def report(number: int, here: int, count: int, *, ready: int | None = None) -> NodeReport:
    copies = {"here": here, "count": count, "ready": count if ready is None else ready}
    return NodeReport(
        f"n-{number}", "198.18.1.9", ready=True, reachable=True, services=({"name": "a", "copies": copies},)
    )


def reports(*here: int) -> list[NodeReport]:
    return [report(number, many, sum(here)) for number, many in enumerate(here, 1)]


def test_who_has_none_is_named_where_others_have_several() -> None:
    assert str(crowd_of("a", reports(0, 2))) == "n-1 has no copy, and n-2 more than one"
    assert str(crowd_of("a", reports(0, 2, 0, 3))) == "n-1 and n-3 have no copy, and n-2 and n-4 more than one"
    assert str(Crowd()) == ""


def test_one_node_that_has_them_all_is_told_from_several_that_have_them() -> None:
    assert crowd_of("a", reports(0, 2)).alone
    assert crowd_of("a", reports(0, 0, 3)).alone
    assert not crowd_of("a", reports(0, 2, 1)).alone
    assert not crowd_of("a", reports(0, 2, 2)).alone


def test_while_copies_move_or_a_node_is_not_there_to_take_one_nothing_is_said() -> None:
    bare, full = reports(0, 2)
    assert crowd_of("a", [report(1, 0, 2, ready=1), report(2, 2, 2, ready=1)]) == Crowd()
    assert crowd_of("a", [report(1, 0, 3), report(2, 2, 3)]) == Crowd()
    for away in (replace(bare, ready=False), replace(bare, draining=True), replace(bare, reachable=False)):
        assert crowd_of("a", [away, full]) == Crowd()
    assert crowd_of("a", [replace(bare, services=()), full]) == Crowd()
    assert crowd_of("another", [bare, full]) == Crowd()
    assert crowd_of("a", []) == Crowd()


@given(st.lists(st.integers(0, 5), max_size=6))
def test_it_is_said_exactly_where_a_copy_can_move_and_moving_one_helps(here: list[int]) -> None:
    found = crowd_of("a", reports(*here))
    assert len(found.bare) == (here.count(0) if max(here, default=0) > 1 else 0)
    assert bool(found.bare) == bool(found.full) == bool(str(found))
    assert not found.alone or here.count(0) == len(here) - 1
