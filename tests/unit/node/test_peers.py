"""What a node thinks of the others, and whom it sends requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_node import peers
from du_node.peers import Sight

A, B = ("a", "198.18.0.1"), ("b", "198.18.0.2")
READY: Mapping[str, Any] = {"ready": True, "releases": {"hello": {"ready": True}}}
SICK: Mapping[str, Any] = {"ready": False, "releases": {"hello": {"ready": False}}}


def sight(peer: tuple[str, str] = A, *, default: bool = True) -> Sight:
    return Sight(peer, 0.0, {}, default=default)


def well(peer: tuple[str, str] = A) -> Sight:
    found = sight(peer)
    found.told(READY, 1.0)
    return found


def test_a_peer_that_nobody_has_judged_takes_requests_unless_it_came_later() -> None:
    assert sight().takes("hello")
    assert not sight(default=False).takes("hello")


def test_a_peer_that_comes_later_takes_requests_at_its_second_good_answer() -> None:
    found = sight(default=False)
    found.told(READY, 1.0)
    assert not found.takes("hello")
    found.told(READY, 2.0)
    assert found.takes("hello")


def test_one_bad_answer_is_forgiven_and_two_are_not() -> None:
    found = well()
    found.told(SICK, 2.0)
    assert found.takes("hello")
    found.told(READY, 3.0)
    found.silent(4.0, gone=False)
    assert found.takes("hello") and found.up
    found.told(SICK, 5.0)
    assert not found.takes("hello") and found.up


def test_a_peer_that_is_silent_twice_is_down_and_since_when_is_kept() -> None:
    found = well()
    for moment in (2.0, 3.0, 4.0):
        found.silent(moment, gone=False)
    assert (found.up, found.since, found.takes("hello")) == (False, 3.0, False)
    found.told(READY, 9.0)
    assert (found.up, found.since, found.takes("hello")) == (True, 9.0, False)
    found.told(READY, 9.4)
    assert found.takes("hello")


def test_a_peer_that_refuses_connections_is_down_at_once() -> None:
    found = well()
    found.silent(2.0, gone=True)
    assert not found.up and not found.takes("hello")


def test_a_peer_that_is_drained_gets_nothing_from_its_first_word_on_though_it_serves() -> None:
    found = well()
    found.told({**READY, "draining": True}, 2.0)
    assert found.serves("hello") and not found.takes("hello")
    found.told(READY, 3.0)
    assert found.takes("hello")


def test_a_gateway_whose_du_node_does_not_answer_is_up_and_soon_gets_nothing() -> None:
    found = well()
    found.told({}, 2.0)
    found.told({}, 3.0)
    assert found.up and not found.takes("hello")


def test_a_service_that_a_peer_does_not_have_is_not_asked_of_it() -> None:
    found = well()
    assert not found.takes("other")


def test_requests_are_shared_with_all_that_take_them() -> None:
    assert peers.rotation(["hello"], [well(B), well(A)], ["hello"], {}) == {"hello": [A, B]}
    assert peers.rotation(["other"], [well(A)], ["other"], {}) == {}


def test_where_the_own_copy_is_down_a_drained_peer_is_better_than_none() -> None:
    drained = well()
    drained.told({**READY, "draining": True}, 2.0)
    assert peers.rotation(["hello"], [drained], ["hello"], {}) == {}
    assert peers.rotation(["hello"], [drained], [], {}) == {"hello": [A]}


def test_where_nobody_answers_at_all_those_of_before_stay() -> None:
    lost = well()
    lost.silent(2.0, gone=True)
    before = {"hello": [A, B]}
    assert peers.rotation(["hello"], [lost], ["hello"], before) == {}
    assert peers.rotation(["hello"], [lost], [], before) == {"hello": [A]}


def test_the_address_is_left_to_others_where_another_can_take_it() -> None:
    assert peers.steps_back([well()], drained=True, stands=True)
    assert not peers.steps_back([well()], drained=False, stands=True)
    assert peers.steps_back([well()], drained=False, stands=False)


@pytest.mark.parametrize("said", [{}, {"ready": False, "releases": {}}, {**READY, "draining": True}])
def test_a_drained_node_keeps_the_address_where_no_other_can_take_it(said: Mapping[str, Any]) -> None:
    other = sight()
    other.told(said, 1.0)
    assert not peers.steps_back([other], drained=True, stands=True)


def test_a_node_alone_keeps_the_address_whatever_it_is_asked() -> None:
    assert not peers.steps_back([], drained=True, stands=False)


def test_connections_are_handed_over_only_by_a_drained_peer_that_has_some() -> None:
    found = well()
    assert peers.hands_over([found]) == ""
    found.told({**READY, "front": True}, 2.0)
    assert peers.hands_over([found]) == ""
    found.told({**READY, "front": True, "draining": True}, 3.0)
    assert peers.hands_over([found, well(B)]) == A[1]
    found.silent(4.0, gone=True)
    assert peers.hands_over([found]) == ""


def test_who_gives_the_address_up_waits_for_all_that_may_get_it() -> None:
    ready, other, gone, leaving = well(), well(B), well(B), well(B)
    gone.silent(2.0, gone=True)
    leaving.told({**READY, "draining": True}, 2.0)

    def mine(address: str) -> bool:
        return address == "198.18.1.1"

    assert not peers.follow([ready], mine)
    ready.told({**READY, "follows": "198.18.1.1"}, 2.0)
    assert peers.follow([ready, gone, leaving], mine)
    assert not peers.follow([ready, other], mine)
    other.told({**READY, "follows": "198.18.1.9"}, 2.0)
    assert not peers.follow([ready, other], mine)
    ready.silent(3.0, gone=True)
    assert ready.follows == ""


@pytest.mark.parametrize("count", [1, 5, 8, 20, 100])
def test_there_are_at_most_twenty_questions_a_second(count: int) -> None:
    assert count / peers.period(count) <= 20.0001
    assert peers.period(count) >= 0.4


said = st.one_of(
    st.sampled_from(["gone", "silent"]),
    st.fixed_dictionaries(
        {},
        optional={
            "ready": st.booleans(),
            "draining": st.booleans(),
            "front": st.booleans(),
            "releases": st.dictionaries(
                st.sampled_from(["hello", "other"]), st.fixed_dictionaries({"ready": st.booleans()})
            ),
        },
    ),
)


@given(st.lists(st.tuples(st.sampled_from([A, B]), said), max_size=30), st.booleans(), st.booleans())
def test_whatever_is_heard_the_last_that_can_serve_is_never_taken_out(
    heard: list[tuple[tuple[str, str], Any]], default: bool, own: bool
) -> None:
    sights = {peer: Sight(peer, 0.0, {}, default=default) for peer in (A, B)}
    before: dict[str, list[tuple[str, str]]] = {}
    for moment, (peer, what) in enumerate(heard):
        if isinstance(what, str):
            sights[peer].silent(float(moment), gone=what == "gone")
        else:
            sights[peer].told(what, float(moment))
        found = peers.rotation(["hello"], list(sights.values()), ["hello"] if own else [], before)
        takers = found.get("hello", [])
        assert set(takers) <= {A, B}
        assert all(peer in takers for peer in sights if sights[peer].takes("hello"))
        if not own:
            assert takers or not before.get("hello"), "the last one was taken out"
            assert takers or not any(one.serves("hello") for one in sights.values())
        elif takers:
            assert all(sights[one].takes("hello") and sights[one].up for one in takers)
        before = found
