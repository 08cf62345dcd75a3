"""Orders that change shares: who is drained keeps what he had, and nobody is rounded away."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.control.traffic.wish import shifted
from du_infra.errors import Refused
from du_infra.traffic.course import Course, drain, shift, undrain
from du_infra.traffic.guard import check_shares
from du_infra.traffic.shares import share_of
from du_infra.traffic.state import Capabilities

IN_OR_OUT = Capabilities(weights=False, health=False, atomic=True, min_ttl=60)


def test_a_drained_region_has_after_a_shift_of_others_the_share_that_it_had() -> None:
    moved = shift(drain(Course({"x": 30, "y": 50, "z": 20}), "x"), "y", 40)
    assert share_of(moved.goal(moved.weights)) == {"x": 0, "y": 0.4, "z": 0.6}
    shares = share_of(undrain(moved, "x").weights)
    assert shares["x"] == pytest.approx(0.3, abs=0.01)
    assert shares["y"] / shares["z"] == pytest.approx(40 / 60)
    several = shifted(drain(Course({"x": 30, "y": 50, "z": 20}), "x"), {"y": 25, "z": 75})
    assert share_of(several.weights)["x"] == pytest.approx(0.3, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 80), st.integers(0, 99), st.booleans())
def test_who_had_a_weight_and_is_not_named_keeps_some(count: int, percent: int, several: bool) -> None:
    course = drain(Course({f"r{number}": 100 for number in range(count)}), "r2")
    shares = {"r0": percent // 2, "r1": percent - percent // 2} if several else {"r0": percent}
    if several and count == 3:
        return  # nobody is left to take the rest
    weights = shifted(course, shares).weights
    assert all(weights[name] > 0 for name in course.weights if name not in shares)
    assert all((weights[name] > 0) == (part > 0) for name, part in shares.items())
    if count <= 20 and 100 - percent >= count - len(shares) - 1:  # one percent for each of the others
        goal = shifted(course, shares).goal(weights)
        assert sum(goal.values()) == 100
        assert all(goal[name] == part for name, part in shares.items())


def test_a_backend_without_weights_takes_no_order_for_another_share_than_all_or_nothing() -> None:
    three = Course({"a": 34, "b": 33, "c": 33})
    for shares in ({"a": 5}, {"a": 40}, {"a": 50, "b": 30}):
        with pytest.raises(Refused, match="knows no weights"):
            check_shares(shifted(three, shares), IN_OR_OUT, "www.example.com", "hetzner")
    for shares in ({"a": 0}, {"a": 33}, {"a": 50, "b": 50}, {"a": 100}):
        check_shares(shifted(three, shares), IN_OR_OUT, "www.example.com", "hetzner")
    able = Capabilities(weights=True, health=False, atomic=True)
    check_shares(shifted(three, {"a": 5}), able, "www.example.com", "gdnsd")
    check_shares(drain(three, "a"), IN_OR_OUT, "www.example.com", "hetzner")
