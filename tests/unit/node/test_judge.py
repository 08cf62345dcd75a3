"""A new copy is judged by what its requests and the old copy's say, and never by too few of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_node.observation.access import Attempt
from du_node.observation.judge import MISSED, Health, judge, too_few
from du_node.observation.signals import Tally
from du_node.rollout import Rollout

NAMES = ("v2", "v1")
WELL = Health()


def tally(requests: int, errors: int = 0, ms: int = 10, slow: int = 0, slow_ms: int = 0) -> Tally:
    """A copy that failed ``errors`` of its requests, and took ``slow_ms`` for ``slow`` of the others."""
    good = [Attempt(1, 200, ms)] * (requests - errors - slow)
    return Tally(1, [*good, *[Attempt(1, 500, 1)] * errors, *[Attempt(1, 200, slow_ms)] * slow])


def verdict(new: Tally, old: Tally, health: Health = WELL, *, final: bool = True, **rollout: float) -> str:
    return judge(new, old, health, Rollout(**rollout), names=NAMES, final=final)  # type: ignore[arg-type]


def test_the_verdict_on_errors_says_all_that_it_is_made_of() -> None:
    assert verdict(tally(512, 16), tally(400)) == (
        "v2 answered 5xx to 3.1 % of 512 requests (v1: 0.0 %), more than the 1.0 % allowed"
    )


def test_what_the_old_copy_fails_the_new_one_may_fail_too() -> None:
    assert verdict(tally(500, 17), tally(500, 15)) == ""
    assert "(v1: 3.0 %), more than the 4.0 % allowed" in verdict(tally(500, 25), tally(500, 15))


def test_one_error_or_few_requests_condemn_nobody_and_the_report_says_so() -> None:
    assert verdict(tally(50, 1), tally(50)) == ""
    assert verdict(tally(49, 49), tally(50)) == ""
    assert verdict(tally(50, 2), tally(50)) != ""
    assert too_few(tally(49), tally(50), Rollout()) == "49 requests were too few to judge errors by (50 are needed)"
    assert "old copy answered 3 requests" in too_few(tally(50), tally(3), Rollout())
    assert too_few(tally(50), tally(50), Rollout()) == ""


def test_before_the_end_only_what_cannot_be_luck_counts() -> None:
    assert verdict(tally(50, 2), tally(50), final=False) == ""
    assert verdict(tally(50, 40), tally(50), final=False) != ""
    assert verdict(tally(2000, 60), tally(50), final=False) != ""
    assert verdict(tally(60, ms=90), tally(60), final=False) == ""
    assert verdict(tally(60, ms=90), tally(60), final=True) != ""


def test_a_slow_wave_that_the_release_itself_makes_blames_nobody() -> None:
    wave = tally(10_000, ms=10, slow=2_000, slow_ms=660)
    assert wave.p95_ms == 10
    assert verdict(wave, tally(500)) == ""
    always = Tally(1, [Attempt(1, 200, 660 if n % 10 == 0 else 10) for n in range(10_000)])
    assert "begin within 660 ms" in verdict(always, tally(500))


def test_slower_answers_are_told_with_both_times() -> None:
    assert verdict(tally(60, ms=212), tally(60, ms=102)) == (
        "95 % of v2's answers begin within 212 ms (v1's: 102 ms), more than the 1.5 times as long that is allowed"
    )


@pytest.mark.parametrize(("old", "new", "bad"), [(100, 150, False), (100, 151, True), (2, 21, False), (2, 22, True)])
def test_slower_means_by_the_ratio_and_by_20_ms(old: int, new: int, bad: bool) -> None:
    assert bool(verdict(tally(60, ms=new), tally(60, ms=old))) is bad


def test_times_are_compared_only_where_both_have_enough_of_them() -> None:
    assert verdict(tally(60, ms=500), tally(49)) == ""
    assert verdict(tally(49, ms=500), tally(60)) == ""


def test_a_fall_too_many_is_said_at_once_whatever_the_requests_say() -> None:
    fell = Health(falls=1, how="ended by itself with exit code 3")
    assert verdict(tally(0), tally(0), fell, final=False) == "v2 ended by itself with exit code 3"
    assert verdict(tally(0), tally(0), fell, max_restarts=1) == ""
    often = Health(falls=2, how="was killed because memory ran out")
    assert "fell 2 times" in verdict(tally(0), tally(0), often, max_restarts=1)
    assert "memory ran out" in verdict(tally(0), tally(0), often, max_restarts=1)


def test_three_failed_probes_in_a_row_are_not_ready_any_more() -> None:
    assert verdict(tally(0), tally(0), Health(missed=MISSED - 1, why="x")) == ""
    assert verdict(tally(0), tally(0), Health(missed=MISSED, why="x")) == "v2 is not ready any more: x"


sizes = st.integers(0, 5000)
shares = st.floats(0, 1)
rollouts = st.builds(
    Rollout, max_errors=st.floats(0, 100), max_latency=st.floats(1, 5), min_requests=st.integers(1, 200)
)
times = st.lists(st.integers(0, 3000), max_size=300)


def timed(values: list[int], errors: int = 0) -> Tally:
    return Tally(1, [*[Attempt(1, 200, ms) for ms in values], *[Attempt(1, 500, 1)] * errors])


@given(times, st.integers(0, 100), st.integers(0, 100), st.data(), rollouts, st.booleans())
def test_a_copy_that_is_equal_to_or_better_than_the_old_one_never_fails(
    old: list[int], errors: int, fewer: int, data: st.DataObject, rollout: Rollout, final: bool
) -> None:
    better = [data.draw(st.integers(0, ms)) for ms in old]
    new = timed(better, max(0, errors - fewer))
    assert judge(new, timed(old, errors), WELL, rollout, names=NAMES, final=final) == ""


@given(st.integers(2, 5000), st.floats(0.001, 1), sizes, shares, rollouts)
def test_a_copy_above_the_limit_never_passes_with_enough_requests(
    requests: int, share: float, old_requests: int, old_share: float, rollout: Rollout
) -> None:
    new, old = tally(requests, round(requests * share)), tally(old_requests, round(old_requests * old_share))
    above = new.error_share > old.error_share + rollout.max_errors / 100
    enough = new.requests >= rollout.min_requests and new.errors >= 2
    found = judge(new, old, WELL, rollout, names=NAMES, final=True)
    assert ("5xx" in found) is (above and enough)


@given(times, times, rollouts)
def test_a_copy_whose_p95_is_above_the_limit_never_passes_with_enough_requests(
    new: list[int], old: list[int], rollout: Rollout
) -> None:
    mine, yours = timed(new).p95_ms, timed(old).p95_ms
    slower = mine > yours * rollout.max_latency and mine >= yours + 20
    enough = min(len(new), len(old)) >= rollout.min_requests
    found = judge(timed(new), timed(old), WELL, rollout, names=NAMES, final=True)
    assert ("begin within" in found) is (slower and enough)


@given(times, times, st.integers(0, 50), rollouts)
def test_what_is_bad_before_the_end_is_bad_by_the_plain_numbers_too(
    new: list[int], old: list[int], errors: int, rollout: Rollout
) -> None:
    early = judge(timed(new, errors), timed(old), WELL, rollout, names=NAMES, final=False)
    late = judge(timed(new, errors), timed(old), WELL, rollout, names=NAMES, final=True)
    assert not early or late
