"""What observers have seen becomes votes, by the clock of who receives it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.control.traffic.counting import Counting
from du_infra.control.traffic.sightings import Board, NodeWord, Sighting, silent_of, vote, votes_of, word_of
from du_infra.health.heal import CONTROLLER

READY = {"ready": True, "fleet": "demo", "region": "b", "why": "", "releases": {"hello": {"release": "v2"}}}
WHO = {"b": (CONTROLLER, "a", "c")}
AT = {"b": "198.18.2.1"}


def told(**more: Any) -> dict[str, Any]:
    row = {"name": "b", "address": AT["b"], "said": READY, "why": "", "age_s": 1.5}
    base = {"draining": False, "load": {"rps": 1.0}, "requests": {"id": "x", "count": 7}, "waited_s": 0.0}
    return {**base, "regions": [row], **more}


def word(node: str, at: float, said: Any = READY, *, address: str = AT["b"]) -> NodeWord:
    return NodeWord(node, at, {"b": Sighting(at, address, said, "" if said else "refuses connections")})


def test_the_age_counts_from_when_the_node_was_asked_whatever_its_clock_says() -> None:
    found = word_of("demo-a-1", 100.0, 103.0, told())
    assert found.sightings["b"].at == 98.5
    assert (found.counted, found.count, found.load) == ("x", 7, {"rps": 1.0})


@given(st.floats(-1e9, 1e9, allow_nan=False), st.floats(-1e9, 1e9, allow_nan=False))
def test_nothing_that_a_node_tells_comes_from_the_future(age: float, waited: float) -> None:
    row = {**told()["regions"][0], "age_s": age}
    assert word_of("demo-a-1", 100.0, 101.0, told(regions=[row], waited_s=waited)).sightings["b"].at <= 101.0


def test_that_a_node_waited_for_news_makes_them_no_older() -> None:
    assert word_of("demo-a-1", 100.0, 102.2, told(waited_s=2.0)).sightings["b"].at == 100.5


@pytest.mark.parametrize("wrong", [{}, {"regions": [{}]}, told(requests=None), told(load={}, draining=0, regions=3)])
def test_what_is_no_word_of_a_node_raises(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        word_of("demo-a-1", 100.0, 101.0, wrong)


def test_each_observer_has_one_vote_that_of_the_node_which_looked_last() -> None:
    own = {"b": Sighting(10.0, AT["b"], None, "does not answer within 1.5 s")}
    nodes = {"a": {"a-1": word("a-1", 5.0, None), "a-2": word("a-2", 9.0)}, "x": {"x-1": word("x-1", 9.0)}}
    votes = votes_of(Board(own, nodes), WHO, AT, "demo", {})["b"]
    assert votes.keys() == {CONTROLLER, "a"}
    assert (votes[CONTROLLER].well, votes[CONTROLLER].why) == (False, "does not answer within 1.5 s")
    assert (votes["a"].at, votes["a"].well) == (9.0, True)


def test_what_was_seen_at_another_address_counts_no_more_and_a_region_without_one_has_no_votes() -> None:
    board = Board(nodes={"a": {"a-1": word("a-1", 5.0, address="198.18.9.9")}})
    assert votes_of(board, WHO, AT, "demo", {}) == {"b": {}}
    assert votes_of(board, WHO, {"b": ""}, "demo", {}) == {}


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({}, ""),
        ({"fleet": "", "region": ""}, ""),
        ({"region": "z"}, "z of fleet demo answers there"),
        ({"fleet": "other"}, "b of fleet other answers there"),
        ({"ready": False, "why": "not ready: hello"}, "not ready: not ready: hello"),
        ({"releases": {}}, "hello is nothing, not v2"),
        ({"releases": {"hello": {"release": "v1"}}}, "hello is v1, not v2"),
    ],
)
def test_an_address_is_well_when_it_leads_to_the_region_and_the_release_that_are_meant(
    more: dict[str, Any], why: str
) -> None:
    found = vote(Sighting(1.0, AT["b"], {**READY, **more}), "demo", "b", {"hello": ["v2"]})
    assert (found.well, found.why) == (not why, why)


def counted(at: float, **regions: int) -> Board:
    return Board(
        nodes={name: {f"{name}-1": NodeWord(f"{name}-1", at, counted="x", count=n)} for name, n in regions.items()}
    )


def test_requests_are_counted_from_when_every_counter_was_seen_after_the_change() -> None:
    counting = Counting()
    assert counting.look(counted(90, a=5, b=5), since=100, now=95) is None
    assert counting.look(counted(90, a=5, b=5), since=100, now=101) is None
    first = counting.look(counted(101, a=10, b=20), since=100, now=102)
    assert first is not None
    assert (first.since, dict(first.counts)) == (101, {"a": 0, "b": 0})
    later = counting.look(counted(110, a=40, b=90), since=100, now=111)
    assert later is not None
    assert (later.since, dict(later.counts)) == (101, {"a": 30, "b": 70})


def test_another_change_another_node_and_another_counting_begin_anew() -> None:
    counting = Counting()
    counting.look(counted(101, a=10), since=100, now=102)
    again = counting.look(counted(121, a=90), since=120, now=122)
    assert again is not None
    assert (again.since, dict(again.counts)) == (121, {"a": 0})
    other = {"a": {"a-1": NodeWord("a-1", 130, counted="y", count=3)}}
    reset = counting.look(Board(nodes=other), since=120, now=131)
    assert reset is not None
    assert (reset.since, dict(reset.counts)) == (130, {"a": 0})


def test_a_region_none_of_whose_nodes_tells_anything_is_named_with_the_reason() -> None:
    old = NodeWord("a-1", 101, silent="its du-node is older than this du-infra")
    nodes = {"a": {"a-1": old}, "b": {"b-1": old, "b-2": word("b-2", 9.0)}, "c": {}}
    assert silent_of(Board(nodes=nodes)) == {"a": "a-1 tells nothing: its du-node is older than this du-infra"}


def test_a_region_of_which_a_node_tells_nothing_is_not_counted() -> None:
    silent = {"a": {"a-1": NodeWord("a-1", 101, silent="no"), "a-2": NodeWord("a-2", 101, counted="x", count=3)}}
    found = Counting().look(Board(nodes={**silent, **counted(101, b=1).nodes}), since=100, now=102)
    assert found is not None
    assert found.counts.keys() == {"b"}
