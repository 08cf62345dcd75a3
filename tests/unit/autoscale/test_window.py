"""For how long was it so, and how much of that is known?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from du_infra.autoscale.state import Sample
from du_infra.autoscale.window import window
from tests.unit.autoscale.samples import NOW, history

TIMES = st.lists(st.floats(0, 4000), max_size=30).map(lambda times: [Sample(when, 1) for when in sorted(times)])


def cpu(sample: Sample) -> int:
    return int(sample.cpu or 0)


def test_one_sample_speaks_for_the_minute_that_it_measured() -> None:
    found = window([Sample(NOW, 1)], 300)
    assert (found.known, found.length) == (60, 300)
    assert window([Sample(NOW, 1)], 30).known == 30


def test_samples_speak_for_the_time_since_the_one_before() -> None:
    found = window([Sample(NOW - 40, 1, cpu=1), Sample(NOW - 30, 1, cpu=2), Sample(NOW, 1, cpu=3)], 300)
    assert [seconds for seconds, _ in found.parts] == [60, 10, 30]


def test_a_gap_is_not_known() -> None:
    assert window([Sample(NOW - 200, 1), Sample(NOW, 1)], 300).known == 120


def test_the_window_of_no_length_is_the_newest_sample() -> None:
    assert window(history(100), 0).samples == history(100)[-1:]


def test_what_was_reached_for_four_of_five_minutes() -> None:
    low, high = history(120, cpu=10.0, until=NOW - 240), history(240, cpu=90.0)
    assert window(low + high, 300).reached(cpu, 0.8) == 90
    assert window(low + high[1:-1], 300).reached(cpu, 0.8) == 10


def test_time_that_nobody_measured_counts_as_nothing() -> None:
    assert window(history(180, cpu=90.0, every=60), 300).reached(cpu, 0.8) == 0
    assert window([], 300).reached(cpu, 0.8) == 0


@given(TIMES, st.floats(0, 3600))
def test_no_more_is_known_than_the_window_is_long(samples: list[Sample], length: float) -> None:
    found = window(samples, length)
    assert 0 <= found.known <= found.length + 1e-6
    assert all(0 <= seconds <= 60 + 1e-6 for seconds, _ in found.parts)
    assert set(found.samples) <= set(samples)
