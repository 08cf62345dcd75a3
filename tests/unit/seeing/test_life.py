"""When a loop that says nothing counts as one that has stopped."""

from __future__ import annotations

import pytest

from du_infra.seeing.life import Life, Patience
from du_infra.seeing.words import ago, short


def test_a_pass_that_only_looks_has_two_minutes() -> None:
    life = Life(0.0, Patience.of(5)).began(10.0)
    assert not life.stale(129.0)
    assert life.stale(131.0)
    assert life.ended(131.0, "", busy=False).stale(200.0) is False


def test_a_pass_that_acts_has_more_and_each_step_is_a_sign_of_life() -> None:
    life = Life(0.0, Patience.of(5, boot=120)).began(0.0).does(60.0, "machines: terraform apply")
    assert not life.stale(1000.0)
    assert life.stale(1081.0)
    assert not life.does(1000.0, "boot").stale(1081.0)


def test_who_looks_rarely_may_be_silent_for_longer() -> None:
    assert not Life(0.0, Patience.of(60)).stale(599.0)


def test_a_clock_that_goes_back_makes_nothing_negative() -> None:
    assert Life(10.0, Patience()).silent(5.0) == 0.0


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "never"),
        (-3, "0 s ago"),
        (12.4, "12 s ago"),
        (300, "5 min ago"),
        (7200, "2 h ago"),
        (400000, "5 days ago"),
    ],
)
def test_times_are_said_as_people_say_them(seconds: float | None, words: str) -> None:
    assert ago(seconds) == words


def test_nobody_reads_a_log_on_a_page() -> None:
    assert len(short("x" * 10_000)) < 500
