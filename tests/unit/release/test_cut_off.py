"""Which releases that were cut off go on by themselves, and for whom they wait."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from du_infra.release.cut_off import CutOff, Mate, plan_cut_off
from du_infra.release.state import Rollout

ROW = Rollout(
    1, "home", "hello", "start", "v2-b", "v1-a", "ann", {"max_unavailable": 0}, 1.0, nodes={"b": {"asked": True}}
)
BACK = replace(ROW, direction="back")
A, B = Mate("a"), Mate("b")
SILENT = replace(B, answers=False, well=False)
LOST = replace(SILENT, lost=True)


def plan(row: Rollout, *mates: Mate, at_work: tuple[str, ...] = (), **more: Any) -> tuple[CutOff, ...]:
    return plan_cut_off([row], at_work, mates, **more)


def test_what_was_cut_off_goes_on_the_way_it_had() -> None:
    (forward,), (back,) = plan(ROW, A, B), plan(BACK, A, B)
    assert str(forward) == "the release of hello v2-b was cut off, and goes on"
    assert str(back) == "the release of hello v2-b was cut off, and goes back to v1-a"


def test_what_somebody_works_on_or_holds_is_left_to_them() -> None:
    assert plan(ROW, A, B, at_work=("hello",)) == ()
    assert plan(replace(ROW, state="held"), A, LOST) == ()
    assert plan(replace(ROW, state="done"), A, B) == ()


def test_a_node_that_may_come_back_is_waited_for() -> None:
    for row in (ROW, BACK):
        (one,) = plan(row, A, SILENT)
        assert one.waits == "b does not answer, and may come back"


def test_a_node_that_is_lost_is_left_out() -> None:
    (one,) = plan(BACK, A, LOST)
    assert (one.waits, one.lost) == ("", ("b",))
    assert str(one).endswith("goes back to v1-a; b is given up")


def test_on_the_way_back_a_silent_node_that_was_never_asked_holds_nothing_up() -> None:
    assert plan(replace(BACK, nodes={}), A, SILENT)[0].waits == ""


def test_on_the_way_forward_a_booting_node_is_waited_for_and_one_that_others_reach_is_not() -> None:
    row = replace(ROW, nodes={})
    assert plan(row, A, SILENT)[0].waits
    assert plan(row, A, replace(SILENT, well=True))[0].waits == ""


def test_as_many_silent_nodes_as_the_release_allows_hold_nothing_up() -> None:
    assert plan(replace(ROW, options={"max_unavailable": 1}), A, SILENT)[0].waits == ""


def test_a_machine_that_has_never_been_part_of_the_region_holds_nothing_up() -> None:
    assert plan(ROW, A, replace(SILENT, joined=False))[0].waits == ""


def test_an_abort_that_was_asked_for_is_a_way_back() -> None:
    assert "goes back" in str(plan(replace(ROW, request="bob"), A, B)[0])


def test_a_first_release_goes_on_with_region_up_unless_a_node_is_lost() -> None:
    first = replace(ROW, kind="up", previous="")
    assert plan(first, A, B) == ()
    assert plan(first, A, LOST)[0].waits == ""


def test_a_hindrance_is_told() -> None:
    (one,) = plan(BACK, A, LOST, hindrance="healing is turned off")
    assert str(one).endswith("and waits: healing is turned off")


NAMES = ("a", "b", "c", "d")
MATES = st.tuples(
    *(
        st.builds(Mate, st.just(n), *(st.booleans() for _ in range(4))).filter(lambda m: not m.lost or not m.well)
        for n in NAMES
    )
)
ROWS = st.builds(
    Rollout,
    st.just(1),
    st.just("home"),
    st.just("hello"),
    st.sampled_from(["start", "rollback", "up"]),
    st.just("v2-b"),
    st.sampled_from(["", "v1-a"]),
    st.just("ann"),
    st.builds(dict, max_unavailable=st.integers(0, 4)),
    st.just(1.0),
    st.sampled_from(["running", "held", "done", "rolled-back"]),
    st.sampled_from(["forward", "back"]),
    st.sampled_from(["", "bob"]),
    nodes=st.dictionaries(st.sampled_from(NAMES), st.builds(dict, asked=st.booleans())),
)


@given(ROWS, MATES, st.booleans())
def test_whatever_the_region_looks_like(row: Rollout, mates: tuple[Mate, ...], at_work: bool) -> None:
    found = plan_cut_off([row], {"hello"} if at_work else (), mates)
    if at_work or row.state != "running":
        assert found == ()
    for one in found:
        assert {mate.name for mate in mates if mate.lost} == {*one.lost}
        if all(mate.answers or mate.lost for mate in mates):
            assert not one.waits
        if not one.waits and (row.direction == "back" or row.request):
            asked = {name for name, told in row.nodes.items() if told["asked"]}
            assert all(m.answers or m.lost or not m.joined for m in mates if m.name in asked)
        if one.waits:
            assert any(not mate.answers and not mate.lost and mate.joined for mate in mates)


@given(ROWS, MATES)
def test_once_every_silent_node_is_lost_nothing_waits_for_ever(row: Rollout, mates: tuple[Mate, ...]) -> None:
    given_up = [mate if mate.answers else replace(mate, lost=True) for mate in mates]
    assert not any(one.waits for one in plan_cut_off([row], (), given_up))
