"""When the node is healed, and when it is left alone."""

from __future__ import annotations

import itertools

from du_node.watch import GATEWAY, Facts, Watch

WELL = Facts({"hello": "ok"})
REFUSED = Facts({"hello": "refused"})
FAILED = Facts({"hello": "failed"})


def test_a_well_node_is_left_alone() -> None:
    watch = Watch()
    assert [watch.decide(WELL, now) for now in range(10)] == [None] * 10


def test_a_slot_that_refuses_connections_is_looked_at_at_once_but_not_restarted() -> None:
    assert Watch().decide(REFUSED, 100.0) == []


def test_a_slot_that_fails_is_restarted_at_the_third_failure() -> None:
    watch = Watch()
    assert [watch.decide(FAILED, 100.0 + 2 * n) for n in range(3)] == [None, None, ["hello"]]


def test_one_good_answer_starts_the_count_anew() -> None:
    watch = Watch()
    said = [FAILED, FAILED, WELL, FAILED, FAILED]
    assert [watch.decide(facts, 2.0 * n) for n, facts in enumerate(said)] == [None] * 5


def test_healing_that_does_not_help_is_tried_at_growing_distances() -> None:
    watch = Watch()
    times = [now for now in range(300) if watch.decide(REFUSED, float(now)) is not None]
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps == [2, 4, 8, 16, 32, 60, 60, 60]


def test_after_a_calm_time_the_next_trouble_is_met_at_once() -> None:
    watch = Watch()
    for now in range(10):
        watch.decide(REFUSED, float(now))
    for now in range(10, 25):
        watch.decide(WELL, float(now))
    assert watch.decide(REFUSED, 60.0) == []
    assert watch.decide(REFUSED, 62.5) is not None


def test_while_somebody_is_at_work_nothing_is_healed_and_failures_do_not_count() -> None:
    watch = Watch()
    busy = Facts({"hello": "failed"}, busy=True)
    assert [watch.decide(busy, float(now)) for now in range(10)] == [None] * 10
    assert watch.decide(FAILED, 11.0) is None


def test_a_slot_that_ran_on_for_its_connections_is_seen_to_when_they_are_over() -> None:
    assert Watch().decide(Facts({"hello": "ok"}, over=["hello"]), 1.0) == []


def test_a_lost_gateway_a_cut_off_apply_and_a_missing_service_are_healed() -> None:
    assert Watch().decide(Facts({}, gateway_ok=False), 1.0) == []
    assert Watch().decide(Facts({}, cut_off=True), 1.0) == []
    assert Watch().decide(Facts({}, lost=["hello"]), 1.0) == []


SILENT = Facts({"hello": "ok"}, gateway_ok=False, silent=True)


def test_a_gateway_that_says_nothing_for_ten_seconds_is_restarted_and_given_time_again() -> None:
    watch = Watch()
    restarts = [now for now in range(60) if GATEWAY in (watch.decide(SILENT, float(now)) or [])]
    assert restarts[0] in range(10, 20)
    assert all(later - earlier >= 10 for earlier, later in itertools.pairwise(restarts))


def test_silence_counts_while_somebody_is_at_work_and_ends_with_one_answer() -> None:
    watch = Watch()
    busy = Facts({"hello": "ok"}, gateway_ok=False, silent=True, busy=True)
    assert [watch.decide(busy, float(now)) for now in range(12)] == [None] * 12
    assert watch.decide(SILENT, 12.0) == [GATEWAY]
    watch = Watch()
    watch.decide(SILENT, 0.0)
    watch.decide(Facts({"hello": "ok"}, gateway_ok=False), 9.0)
    assert GATEWAY not in (watch.decide(SILENT, 20.0) or [])
