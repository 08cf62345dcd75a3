"""The planner of a release over several nodes: what comes next, and what never happens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.release.rollout import (
    Back,
    Done,
    Held,
    Return,
    Rules,
    Seen,
    Step,
    Stop,
    Stuck,
    Switch,
    TurnBack,
    Wait,
    batches,
    in_order,
    next_step,
)

A, B, C = Seen("a"), Seen("b"), Seen("c")
RULES = Rules()


def forward(*seen: Seen, rules: Rules = RULES) -> Step:
    return next_step("forward", seen, rules)


def back(*seen: Seen, rules: Rules = RULES) -> Step:
    return next_step("back", seen, rules)


def new(seen: Seen, **changes: object) -> Seen:
    return replace(seen, **{"at": "new", "asked": True, **changes})


def test_one_node_after_the_other_goes_to_the_new_release() -> None:
    assert forward(A, B) == Switch(("a",))
    assert forward(new(A), B) == Switch(("b",))
    assert forward(new(A), new(B)) == Done()


def test_a_batch_goes_at_once() -> None:
    assert forward(A, B, C, rules=Rules(batch=2)) == Switch(("a", "b"))


def test_nodes_that_serve_nothing_go_first_and_all_at_once() -> None:
    assert forward(A, replace(B, empty=True, ready=False), replace(C, empty=True, ready=False)) == Switch(("b", "c"))


def test_nothing_begins_while_a_node_is_out_of_order() -> None:
    assert forward(A, replace(B, answers=False)) == Stop("b does not answer")
    assert forward(A, replace(B, ready=False)) == Stop("b is not ready")


def test_nodes_out_of_order_may_be_allowed_and_are_passed_over_when_they_do_not_answer() -> None:
    rules = Rules(max_unavailable=1)
    silent = replace(B, answers=False)
    assert forward(A, silent, rules=rules) == Switch(("a",))
    assert forward(new(A), silent, rules=rules) == Done(("b",))


def test_nothing_is_done_when_no_node_answers() -> None:
    assert isinstance(forward(replace(A, answers=False), rules=Rules(max_unavailable=5)), Stop)


def test_a_service_that_is_ready_nowhere_may_be_cured_by_a_release() -> None:
    sick = [replace(node, ready=False) for node in (A, B)]
    assert forward(*sick) == Switch(("a",))
    assert forward(new(A), sick[1]) == Switch(("b",))


def test_a_failure_turns_the_whole_release_back() -> None:
    assert forward(new(A), replace(B, at="other", asked=True, failed=True)) == TurnBack("it failed on b", sure=True)


def test_a_new_copy_that_falls_ill_in_the_middle_turns_it_back() -> None:
    assert forward(new(A, ready=False), B) == TurnBack("a is not ready")


def test_a_node_that_falls_silent_in_the_middle_turns_it_back() -> None:
    assert forward(new(A), replace(B, answers=False)) == TurnBack("b does not answer")
    assert forward(replace(A, answers=False, asked=True), B) == TurnBack("a does not answer")


def test_where_there_is_nothing_to_go_back_to_it_stops() -> None:
    rules = Rules(returnable=False)
    assert forward(replace(A, at="other", failed=True), rules=rules) == Stop("it failed on a", sure=True)


def test_a_node_where_somebody_works_is_waited_for() -> None:
    assert forward(replace(A, at="other", busy=True), B) == Wait(("a",))


def test_a_hold_stops_when_the_first_batch_has_it_on_preview() -> None:
    rules = Rules(batch=2, hold=True)
    held = replace(A, at="held", asked=True)
    assert forward(A, B, C, rules=rules) == Switch(("a", "b"))
    assert forward(held, B, C, rules=rules) == Switch(("b",))
    assert forward(held, replace(B, at="held"), C, rules=rules) == Held(("a", "b"))


def test_after_a_hold_those_that_were_held_go_on_first() -> None:
    assert forward(A, replace(B, at="held", asked=True)) == Switch(("b",))


def test_the_way_back_is_in_reverse_and_ends_when_all_are_back() -> None:
    assert back(new(A), new(B), C) == Return(("b",))
    assert back(new(A), B, C) == Return(("a",))
    assert back(A, B, C) == Back()


def test_the_way_back_does_not_wait_for_whoever_is_at_work() -> None:
    assert back(replace(A, at="other", busy=True)) == Return(("a",))


def test_a_node_of_which_nobody_knows_keeps_it_from_being_called_back() -> None:
    assert back(A, replace(B, answers=False, asked=True)) == Stuck(("b",))
    assert back(A, new(B, given_up=True)) == Stuck(("b",))


def test_a_node_that_is_lost_is_left_out_on_the_way_back_and_named() -> None:
    lost = replace(B, answers=False, asked=True, lost=True)
    assert back(A, lost) == Back(("b",))
    assert back(A, new(B, given_up=True, lost=True)) == Back(("b",))
    assert back(A, lost, replace(C, answers=False, asked=True)) == Stuck(("c",))


def test_on_the_way_forward_a_node_that_is_lost_counts_as_any_that_does_not_answer() -> None:
    lost = replace(B, answers=False, asked=True, lost=True)
    assert forward(new(A), lost) == TurnBack("b does not answer")
    assert forward(new(A), lost, rules=Rules(max_unavailable=1)) == Done(("b",))


def test_a_silent_node_that_was_never_asked_cannot_come_back_with_the_new_release() -> None:
    assert back(A, replace(B, answers=False)) == Back()


def test_the_node_with_the_vip_goes_first_and_the_others_keep_their_order() -> None:
    assert in_order(["a", "b", "c"], "b") == ["b", "a", "c"]
    assert in_order(["a", "b"], "") == ["a", "b"]


@pytest.mark.parametrize(("size", "expected"), [(1, [["c"], ["a"], ["b"]]), (5, [["c"], ["a", "b"]])])
def test_batches_are_shown_as_they_will_be_worked_on(size: int, expected: list[list[str]]) -> None:
    assert batches(["a", "b", "c"], ["c"], size) == expected


NODES = st.builds(
    Seen,
    node=st.just(""),
    at=st.sampled_from(["new", "old", "held", "other"]),
    **{name: st.booleans() for name in ("answers", "ready", "empty", "failed", "busy", "asked", "given_up", "lost")},
)
REGIONS = st.lists(NODES, min_size=1, max_size=6).map(
    lambda nodes: [replace(node, node=f"n{number}") for number, node in enumerate(nodes)]
)
ANY_RULES = st.builds(Rules, st.integers(1, 4), st.integers(0, 4), st.booleans(), st.booleans())


@given(REGIONS, ANY_RULES)
def test_no_more_than_a_batch_that_serves_is_touched_and_never_a_silent_node(seen: list[Seen], rules: Rules) -> None:
    by_name = {node.node: node for node in seen}
    for direction in ("forward", "back"):
        step = next_step(direction, seen, rules)  # type: ignore[arg-type]
        if isinstance(step, Switch | Return):
            nodes = [by_name[name] for name in step.nodes]
            assert all(node.answers for node in nodes)
            assert len([node for node in nodes if not node.empty]) <= rules.batch
            assert nodes


@given(REGIONS, ANY_RULES)
def test_what_is_called_done_or_back_is_one_version_on_every_node_that_may_have_another(
    seen: list[Seen], rules: Rules
) -> None:
    if isinstance(step := next_step("forward", seen, rules), Done):
        assert all(node.at == "new" for node in seen if node.node not in step.missing)
        assert set(step.missing) == {node.node for node in seen if not node.answers}
        assert len(step.missing) <= rules.max_unavailable
    if isinstance(step := next_step("back", seen, rules), Back):
        rest = [node for node in seen if node.node not in step.left]
        assert all(node.at == "old" or (not node.answers and not node.asked) for node in rest)
        assert not any(node.given_up for node in rest)
        assert all(node.lost for node in seen if node.node in step.left)


@given(REGIONS, ANY_RULES)
def test_the_way_back_never_ends_before_a_node_that_may_come_back_nor_waits_for_one_that_is_lost(
    seen: list[Seen], rules: Rules
) -> None:
    step = next_step("back", seen, rules)
    if isinstance(step, Stuck):
        assert not any(node.lost for node in seen if node.node in step.nodes)
    if all(node.lost or (node.answers and not node.given_up) for node in seen):
        assert isinstance(step, Back | Return)


@given(REGIONS, ANY_RULES)
def test_nothing_new_is_begun_while_too_many_are_out_of_order(seen: list[Seen], rules: Rules) -> None:
    silent = [node for node in seen if not node.answers]
    if isinstance(next_step("forward", seen, rules), Switch):
        assert len(silent) <= rules.max_unavailable
        assert not any(node.failed for node in seen)
