"""A region's move: the steps that are left follow from what is, and nobody is led to machines that are destroyed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.traffic.move import Led, Moving, check_weights, plan_move, why_not_clear
from du_infra.traffic.seen import Seen

START = Moving("old", "new", "lxd", {"old": 70, "other": 30}, steps=(5, 25, 50, 100))


def kinds(seen: Moving) -> list[str]:
    return [step.kind for step in plan_move(seen)]


def carried_out(seen: Moving) -> Moving:
    """What the first step leaves."""
    weights = dict(seen.weights)
    match kinds(seen)[0]:
        case "write":
            return replace(seen, listed=True, weights={**weights, "new": 0}, clear=False)
        case "up":
            return replace(seen, ready=True, clear=False)
        case "shift":
            return replace(seen, weights={**weights, "new": weights["old"], "old": 0}, clear=False)
        case "wait":
            return replace(seen, clear=True)
        case "down":
            return replace(seen, machines=False, clear=False)
    return seen


def test_a_move_from_its_beginning_to_its_end() -> None:
    assert kinds(START) == ["write", "up", "shift", "wait", "down", "forget"]
    seen, done = START, []
    while (kind := kinds(seen)[0]) != "forget":
        done.append(kind)
        seen = carried_out(seen)
    assert done == ["write", "up", "shift", "wait", "down"]
    assert seen.weights == {"old": 0, "new": 70, "other": 30}
    words = {step.kind: step.why for step in plan_move(START)}
    assert words["shift"] == "gets the weight of old (70 %), by the steps 5, 25, 50, 100 % of the answers"


def test_a_standby_moves_without_a_shift() -> None:
    assert kinds(replace(START, weights={"old": 0, "other": 100})) == ["write", "up", "wait", "down", "forget"]


def test_two_weights_are_a_persons_matter() -> None:
    with pytest.raises(Refused, match="both have a weight"):
        check_weights(replace(START, weights={"old": 5, "new": 5}))
    for weights in ({"old": 5}, {"old": 5, "new": 0}, {"old": 0, "new": 5}, {"old": 0, "new": 0}):
        check_weights(replace(START, weights=weights))


@given(st.lists(st.sampled_from(["step", "killed", "fell", "looked"]), max_size=60))
def test_however_it_is_killed_and_falls_it_ends_and_destroys_only_what_nobody_is_led_to(events: list[str]) -> None:
    seen, destroyed = START, 0
    for event in [*events, *["step"] * 6]:
        if event == "killed":
            seen = replace(seen, clear=False)
        elif event == "fell" and seen.machines:
            seen = replace(seen, ready=False, clear=False)
        elif event == "step":
            kind = kinds(seen)[0]
            if kind == "down":
                assert seen.listed and seen.ready and seen.clear and seen.weights["old"] == 0
                destroyed += 1
            if kind == "forget":
                assert not seen.machines
            seen = carried_out(seen)
        assert sum(seen.weights.values()) == 100
        assert len(kinds(seen)) <= 6
        assert kinds(seen)[-1] == "forget"
    assert kinds(seen) == ["forget"]
    assert (seen.weights["new"], destroyed) == (70, 1)


CLEAR = Led({"old": 0, "new": 70, "other": 30}, {"new": 0.7, "other": 0.3}, 100.0, frozenset(("new", "other")))


@pytest.mark.parametrize(
    ("led", "words"),
    [
        (CLEAR, ""),
        (replace(CLEAR, base={"old": 35, "new": 35, "other": 30}), "old has 35 % by plan"),
        (replace(CLEAR, given={"old": 1.0}), "answers have old"),
        (replace(CLEAR, given={"other": 1.0}), "answers do not have new"),
        (replace(CLEAR, sure=frozenset(("other",))), "new is not up for sure"),
        (replace(CLEAR, since=3.0), "DNS changed 3 s ago, and 10 s are waited for"),
    ],
)
def test_what_must_be_so_before_machines_are_destroyed(led: Led, words: str) -> None:
    assert why_not_clear("old", "new", led, 10.0, 0) == words


def test_gateways_must_see_that_nobody_asks_there_any_more() -> None:
    seen = replace(CLEAR, counts=Seen(0.0, {"old": 10, "new": 65, "other": 25}))
    assert why_not_clear("old", "new", seen, 10.0, 50) == "old gets 10 % of 100 requests, and is told 0 %"
    assert why_not_clear("old", "new", seen, 10.0, 500) == "100 requests are too few to judge by, 500 are needed"
    assert "not known yet" in why_not_clear("old", "new", CLEAR, 10.0, 50)
    quiet = replace(CLEAR, counts=Seen(0.0, {"old": 0, "new": 70, "other": 30}))
    assert why_not_clear("old", "new", quiet, 10.0, 50) == ""


@given(
    base=st.fixed_dictionaries({"old": st.integers(0, 100), "new": st.integers(0, 100), "other": st.just(30)}),
    given_to=st.sets(st.sampled_from(["old", "new", "other"]), min_size=1),
    sure=st.frozensets(st.sampled_from(["old", "new", "other"])),
    since=st.floats(0, 100),
)
def test_never_clear_while_anybody_is_led_there(
    base: dict[str, int], given_to: set[str], sure: frozenset[str], since: float
) -> None:
    led = Led(base, dict.fromkeys(given_to, 1 / len(given_to)), since, sure)
    if why_not_clear("old", "new", led, 50.0, 0) == "":
        assert base["old"] == 0
        assert "old" not in given_to
        assert "new" in sure
        assert since >= 50
