"""A controller is dead when it does not sign for long, and never because a clock was set or the store was away."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.controllers.watch import BEAT_SECONDS, DEAD_SECONDS, TRUST_SECONDS, WATCH_SECONDS, Watch


def days(watch: Watch, beats: dict[float, float], shift: float = 0.0, start: float = 0.0) -> float | None:
    """Look every beat; when the one that signs at ``beats`` (clock → its signature) was found dead."""
    last, clock = 0.0, start
    while clock < start + 60:
        last = beats.get(clock, last)
        if watch.dead({"b": last}, clock + shift, clock):
            return clock
        clock += BEAT_SECONDS
    return None


def test_one_that_is_silent_is_dead_after_ten_seconds_and_not_before() -> None:
    found = days(Watch(), {2.0 * n: 2.0 * n for n in range(11)})
    assert found is not None
    assert DEAD_SECONDS <= found - 20 <= DEAD_SECONDS + BEAT_SECONDS


def test_one_that_signs_lives() -> None:
    assert days(Watch(), {2.0 * n: 2.0 * n for n in range(99)}) is None


@pytest.mark.parametrize("shift", [3600.0, -3600.0])
def test_a_clock_of_the_store_that_is_set_kills_nobody_who_signs(shift: float) -> None:
    watch = Watch()
    for n in range(20):
        clock = 2.0 * n
        wall = clock + (shift if clock >= 10 else 0)
        beat = clock - 2 + (shift if clock - 2 >= 10 else 0)  # it signed a beat ago, by the clock of then
        assert not watch.dead({"b": beat}, wall, clock)


def test_after_a_store_that_was_away_everybody_gets_time_to_sign() -> None:
    watch = Watch()
    assert not watch.dead({"b": 0.0}, 1.0, 1.0)
    assert not watch.dead({"b": 0.0}, 61.0, 61.0)
    assert not watch.dead({"b": 0.0}, 63.0, 63.0)
    assert not watch.dead({"b": 64.0}, 65.0, 65.0)
    assert not watch.dead({"b": 66.0}, 67.0, 67.0)


def test_who_does_not_come_back_with_the_store_is_dead_after_the_watch() -> None:
    watch = Watch()
    watch.dead({"b": 0.0}, 1.0, 1.0)
    found = [clock for clock in range(61, 75, 2) if watch.dead({"b": 0.0}, float(clock), float(clock))]
    assert WATCH_SECONDS <= found[0] - 61 <= WATCH_SECONDS + BEAT_SECONDS


@given(st.floats(0, 2), st.floats(-1e6, 1e6))
def test_one_has_let_go_of_its_regions_by_its_own_clock_before_others_take_them(late: float, skew: float) -> None:
    """It signs at 0 by its own clock; another looks every beat, from any moment on, by the store's, which is any."""
    watch, clock = Watch(), late
    while not watch.dead({"b": skew}, skew + clock, clock):
        clock += BEAT_SECONDS
    assert clock >= DEAD_SECONDS > TRUST_SECONDS
