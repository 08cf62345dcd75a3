"""Decisions, and the words that explain them."""

from __future__ import annotations

import pytest

from du_infra.autoscale.plan import plan
from du_infra.autoscale.state import Change, Decision, Sample, Settings, State
from tests.unit.autoscale.samples import NOW, history, settings

FIVE = settings(targets={"p95": 200.0}, up_after=300.0)


def decide(
    samples: list[Sample], wanted: Settings | None = None, nodes: int = 3, *changes: Change, now: float = NOW
) -> Decision:
    return plan(wanted or settings(), samples, now, State(nodes, nodes, changes))


def test_four_of_five_minutes_too_slow_are_a_node_more() -> None:
    samples = history(120, p95=80.0, cpu=50.0, until=NOW - 240) + history(240, p95=310.0, cpu=80.0)
    assert str(decide(samples, FIVE)) == "3 → 4: p95 310 ms against 200 ms for 4 of 5 minutes"


def test_three_of_five_minutes_are_not_yet() -> None:
    samples = history(200, p95=80.0, cpu=80.0, until=NOW - 180) + history(180, p95=310.0, cpu=80.0)
    assert str(decide(samples, FIVE)) == "3: p95 310 ms against 200 ms for 3 of 5 minutes, 4 minutes are needed"


def test_too_much_cpu_for_a_minute_grows_by_the_ratio() -> None:
    assert str(decide(history(60, cpu=90.0))) == "3 → 5: cpu 90 % against 60 % for 1 minute"


def test_one_sample_of_a_whole_minute_is_enough_to_grow() -> None:
    assert decide([Sample(NOW, 3, cpu=90.0)]).want == 5


def test_growing_stops_at_twice_as_many_and_at_max() -> None:
    assert decide(history(60, nodes=1, rps=900.0), settings(targets={"rps": 100.0}), 1).want == 2
    assert decide(history(60, cpu=100.0), settings(most=4)).want == 4
    told = str(decide(history(60, cpu=100.0), settings(most=3)))
    assert told == "3: cpu 100 % against 60 % for 1 minute, but max is 3"


def test_five_quiet_minutes_are_a_node_less() -> None:
    told = str(decide(history(300, cpu=20.0)))
    assert told == "3 → 2: cpu at most 20 % against 60 % for 5 minutes: 2 can carry that"


def test_a_large_pool_shrinks_by_a_quarter() -> None:
    assert decide(history(300, nodes=8, cpu=5.0), nodes=8).want == 6


def test_one_loud_minute_in_five_keeps_every_node() -> None:
    samples = [*history(300, cpu=20.0)]
    samples[7] = Sample(samples[7].when, 3, cpu=55.0)
    assert str(decide(samples)) == "3: fewer would do for 3.6 of 5 minutes"


def test_shrinking_stops_at_min() -> None:
    told = str(decide(history(300, cpu=5.0), settings(least=3)))
    assert told == "3: cpu at most 5 % against 60 % for 5 minutes: 3 can carry that, but min is 3"


def test_as_it_should_be_is_said_with_numbers() -> None:
    wanted = settings(targets={"cpu": 60.0, "rps": 200.0})
    assert (
        str(decide(history(300, cpu=58.0, rps=150.2), wanted))
        == "3: cpu 58 % against 60 %, each node 150 rps against 200 rps"
    )


def test_nothing_happens_without_measures() -> None:
    assert str(decide([])) == "3: nothing was measured yet"
    old = history(300, cpu=90.0, until=NOW - 240)
    assert str(decide(old)) == "3: nothing was measured for 4 minutes"


def test_a_node_that_told_nothing_keeps_all_of_them() -> None:
    samples = [*history(290, cpu=5.0, until=NOW - 10), Sample(NOW, 3, silent=1, cpu=5.0)]
    assert str(decide(samples)) == "3: 1 of 3 told nothing: none goes for that"
    assert decide([*samples, *history(100, cpu=5.0, until=NOW + 100)], now=NOW + 100).want == 3


def test_a_measure_that_the_kernel_does_not_have_is_named() -> None:
    wanted = settings(targets={"cpu": 60.0, "pressure": 5.0})
    assert str(decide(history(300, cpu=5.0), wanted)) == "3: not known: memory pressure; none goes for that"


def test_a_gap_in_the_measures_keeps_every_node() -> None:
    samples = history(60, cpu=5.0, until=NOW - 200) + history(60, cpu=5.0)
    assert str(decide(samples)) == "3: fewer would do, but only 3.5 of 5 minutes were measured"


def test_after_a_change_there_is_a_rest() -> None:
    change = Change(NOW - 80, 2, 3)
    assert (
        str(decide(history(60, cpu=90.0), None, 3, change)) == "3: 2 → 3 was a moment ago: 40 seconds left of cool-down"
    )


def test_what_was_measured_before_a_change_counts_no_more() -> None:
    samples = history(600, nodes=2, cpu=90.0, until=NOW - 50) + history(50, cpu=90.0)
    assert str(decide(samples, settings(cooldown=0.0))) == "3: no whole minute was measured with 3 yet"
    assert decide(samples, settings(cooldown=0.0), 3, Change(NOW - 50, 2, 3)).want == 3


def test_a_node_that_had_to_come_back_makes_the_next_one_wait_longer() -> None:
    back = (Change(NOW - 2000, 3, 2), Change(NOW - 1700, 2, 3), Change(NOW - 1000, 3, 2), Change(NOW - 700, 2, 3))
    told = str(decide(history(400, cpu=20.0), None, 3, *back))
    assert told.endswith("2 can carry that, but the last one that went had to come back: 8.3 minutes left")
    assert decide(history(400, cpu=20.0), None, 3, *back[:2]).want == 2


def test_changes_of_long_ago_are_forgotten() -> None:
    long_ago = [Change(NOW - 20_000 + 300 * n, 3 - n % 2, 2 + n % 2) for n in range(10)]
    assert decide(history(400, cpu=20.0), None, 3, *long_ago).want == 2


@pytest.mark.parametrize(("there", "wish"), [(3, 4), (4, 3)])
def test_what_was_begun_is_finished(there: int, wish: int) -> None:
    found = plan(settings(), history(300, nodes=there, cpu=50.0), NOW, State(there, wish))
    assert str(found) == f"{there} → {wish}: that was begun and is not finished"


def test_what_was_begun_goes_on_although_the_number_is_right() -> None:
    begun = Change(NOW - 5, 2, 3, ended=False)
    found = decide(history(300, cpu=50.0), None, 3, begun)
    assert (str(found), found.changes) == ("3: that was begun and is not finished", True)


def test_what_cannot_be_finished_does_not_keep_nodes_that_nobody_needs() -> None:
    begun = Change(NOW - 400, 4, 5, ended=False)
    found = plan(settings(), history(340, nodes=4, cpu=5.0), NOW, State(4, 5, (begun,)))
    assert (found.want, found.resumed) == (3, False)
    assert plan(settings(), history(340, nodes=4, cpu=50.0), NOW, State(4, 5, (begun,))).want == 5


def test_another_min_or_max_in_the_file_is_followed_at_once() -> None:
    assert str(decide([], settings(least=5))) == "3 → 5: min is 5"
    assert str(decide([], settings(most=2))) == "3 → 2: max is 2"


def test_a_clock_that_was_set_back_does_nothing_until_there_are_measures_again() -> None:
    samples = history(300, cpu=5.0, until=NOW + 5000)
    assert str(decide(samples, None, 3, Change(NOW + 4000, 2, 3))) == "3: nothing was measured yet"


def test_a_clock_that_jumps_forward_takes_no_node_away() -> None:
    assert decide(history(300, cpu=5.0), now=NOW + 86_400).want == 3
    after = [*history(300, cpu=5.0), Sample(NOW + 86_400, 3, cpu=5.0)]
    assert decide(after, now=NOW + 86_400).want == 3
