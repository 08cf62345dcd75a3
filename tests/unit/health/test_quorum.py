"""A region is up or down by the word of a majority of its observers, for a while; silence is no word."""

from __future__ import annotations

import json
from typing import Any

import pytest

from du_infra.health.heal import CONTROLLER
from du_infra.health.quorum import (
    LONGEST_HOLD,
    Patience,
    Vote,
    first_standing,
    hold_of,
    judge,
    judge_regions,
    patience_of,
    vote_of,
)
from du_infra.health.state import Standing, standing_from
from du_infra.spec import Duration, TrafficSpec

P = Patience(interval=2, down_after=4, hold=30)
THREE = (CONTROLLER, "b", "c")
UP = Standing("up", 0.0)
DOWN = Standing("down", 0.0)
READY = {"ready": True, "releases": {"hello": {"release": "v2-bb", "ready": True}}}


def say(words: str, at: float) -> dict[str, Vote]:
    """One letter an observer, in the order of THREE: u(p), d(own), s(tale), f(uture), "-" for nothing."""
    times = {"s": at - 6.1, "f": at + 2.1}
    return {
        name: Vote(times.get(word, at), word != "d", "no answer" if word == "d" else "")
        for name, word in zip((*THREE, "d", "e"), words, strict=False)
        if word != "-"
    }


def over(
    standing: Standing, words: str, seconds: int, observers: tuple[str, ...] = THREE, start: int = 100
) -> Standing:
    for now in range(start, start + seconds + 1, 2):
        standing = judge(standing, say(words, now), observers, P, now)
    return standing


def test_two_of_three_that_call_it_dead_for_long_enough_take_it_down() -> None:
    assert over(UP, "ddu", 2).up
    fallen = over(UP, "ddu", 4)
    assert (fallen.state, fallen.since, fallen.falls) == ("down", 104, (104,))
    assert fallen.why == "down by 2 of 3 (du-infra: no answer; b: no answer) for 4 s"


@pytest.mark.parametrize("words", ["duu", "dss", "d--", "dff", "sss", "---", "dus"])
def test_one_alone_the_stale_and_the_silent_take_nothing_down(words: str) -> None:
    assert over(UP, words, 600).up


@pytest.mark.parametrize("words", ["uds", "us-", "udd", "sss", "---", "ufs"])
def test_no_majority_brings_nothing_back(words: str) -> None:
    assert not over(DOWN, words, 600).up


def test_it_comes_back_by_a_majority_and_later_than_it_went() -> None:
    assert not over(DOWN, "uud", 28).up
    assert over(DOWN, "uud", 30).up


def test_a_break_in_what_is_said_begins_the_wait_anew() -> None:
    leaning = over(UP, "ddu", 2)
    assert leaning.leaning == 100
    calm = judge(leaning, say("ds-", 104), THREE, P, 104)
    assert (calm.leaning, calm.known, calm.up) == (None, False, True)
    assert over(calm, "ddu", 2, start=106).up


def test_two_observers_must_agree_and_one_alone_never_takes_down() -> None:
    two = THREE[:2]
    assert over(UP, "du", 60, two).up
    assert not over(UP, "dd", 60, two).up
    assert over(UP, "d", 600, THREE[:1]).up
    assert over(DOWN, "u", 60, THREE[:1]).up
    assert over(UP, "", 600, ()).why == "nobody observes it"


def test_of_four_and_of_five_three_must_agree() -> None:
    four, five = (*THREE, "d"), (*THREE, "d", "e")
    assert over(UP, "dduu", 60, four).up
    assert not over(UP, "dddu", 60, four).up
    assert over(UP, "dd---", 60, five).up
    assert not over(UP, "ddd--", 60, five).up


def test_who_was_not_appointed_is_not_heard() -> None:
    votes = {name: Vote(100, False) for name in ("x", "y", "z", "a")}
    assert judge(Standing("up", 0, leaning=0), votes, THREE, P, 100).up


def test_a_region_that_falls_again_and_again_waits_longer_each_time() -> None:
    assert hold_of([], P, 0) == 30
    assert hold_of([10], P, 20) == 30
    assert hold_of([10, 20], P, 30) == 60
    assert hold_of([10, 20, 30, 40], P, 50) == 240
    assert hold_of(list(range(99)), P, 100) == LONGEST_HOLD
    assert hold_of([10, 20, 30, 40], P, 3625) == 30 + 30
    assert hold_of([1], Patience(hold=3600), 2) == 3600


def test_what_is_said_is_told_in_words() -> None:
    assert over(UP, "uuu", 0).why == "up by 3 of 3"
    assert over(UP, "ddu", 2).why == "down by 2 of 3 (du-infra: no answer; b: no answer) for 2 s, 4 s are needed"
    assert over(UP, "ds-", 0).why == ("no majority: 0 of 3 call it well, 1 dead, 2 are needed; nothing new from b, c")
    assert first_standing(True, 5.0).up
    assert not first_standing(False, 5.0).up


@pytest.mark.parametrize(
    ("body", "expected", "why"),
    [
        (READY, {"hello": ["v2-bb"]}, None),
        (READY, {"hello": ["v1-aa", "v2-bb"]}, None),
        (READY, {}, None),
        (None, {}, "no answer"),
        ({"ready": False, "why": "hello is down"}, {}, "not ready: hello is down"),
        ({}, {}, "not ready: it does not say why"),
        (READY, {"hello": ["v1-aa"]}, "hello is v2-bb, not v1-aa"),
        (READY, {"hello": ["v1-aa", "v0-cc"]}, "hello is v2-bb, not v0-cc or v1-aa"),
        ({"ready": True}, {"hello": ["v1-aa"]}, "hello is nothing, not v1-aa"),
        ({"ready": True, "releases": {"hello": None}}, {"hello": ["v1-aa"]}, "hello is nothing, not v1-aa"),
    ],
)
def test_readyz_must_name_the_release_that_is_expected(
    body: dict[str, Any] | None, expected: dict[str, list[str]], why: str | None
) -> None:
    vote = vote_of(7.0, body, expected)
    assert (vote.at, vote.well, vote.why) == (7.0, why is None, why or "")


def test_patience_is_what_the_file_says() -> None:
    assert patience_of(TrafficSpec(zone="example.com", record="www", hold=Duration("1m"))) == Patience(2, 3, 60)


def test_what_does_not_change_is_the_same_object_and_standings_outlive_json() -> None:
    before = {"a": over(UP, "uuu", 0), "b": over(UP, "ddd", 4)}
    votes = {"a": say("uuu", 110), "b": say("ddd", 110)}
    after = judge_regions(before, votes, dict.fromkeys(before, THREE), P, 110)
    assert after["a"] is before["a"]
    assert after["b"].why == "down by 3 of 3"
    assert {name: standing_from(json.loads(json.dumps(one.to_json()))) for name, one in after.items()} == after


def test_a_region_that_lost_all_its_observers_stays_as_it_was() -> None:
    assert judge_regions({"a": UP}, {}, {}, P, 100)["a"].up
    assert not judge_regions({"a": DOWN}, {}, {}, P, 100)["a"].up
