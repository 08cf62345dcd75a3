"""Each region is observed by du-infra and by a few others, and asks no more than that itself."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from du_infra.health.heal import CONTROLLER
from du_infra.health.observers import OBSERVERS_MOST, appoint, watched_by

NAMES = st.sets(st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True), min_size=1, max_size=30)


@given(NAMES)
def test_nobody_observes_himself_and_everybody_has_at_least_three_observers_where_there_are_so_many(
    names: set[str],
) -> None:
    for name, who in appoint(names).items():
        assert who[0] == CONTROLLER
        assert set(who[1:]) <= names - {name}
        assert len(set(who)) == len(who) == min(len(names), OBSERVERS_MOST)


@given(NAMES)
def test_everybody_asks_as_many_as_ask_him(names: set[str]) -> None:
    observers = appoint(names)
    watched = watched_by(observers)
    assert watched.keys() == names
    for name, asked in watched.items():
        assert len(asked) == len(observers[name]) - 1
        assert list(asked) == sorted(asked)
        assert all(name in observers[other] for other in asked)


@given(NAMES, st.randoms(use_true_random=False))
def test_the_order_in_which_they_are_named_does_not_matter(names: set[str], chance: object) -> None:
    mixed = sorted(names)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert appoint(mixed) == appoint(sorted(names))


@given(NAMES, st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True))
def test_one_more_changes_nothing_but_for_the_few_beside_it(names: set[str], new: str) -> None:
    before, after = appoint(names - {new}), appoint({*names, new})
    changed = [name for name in before if before[name] != after[name]]
    assert len(changed) <= OBSERVERS_MOST - 1
    for name in changed:
        assert new in after[name]
        assert len({*before[name]} - {*after[name]}) <= 1


def test_a_thousand_regions_cost_each_of_them_four_questions() -> None:
    watched = watched_by(appoint(f"r{number}" for number in range(1000)))
    assert {len(asked) for asked in watched.values()} == {4}


def test_every_process_appoints_the_same() -> None:
    program = "from du_infra.health.observers import appoint; print(appoint('abcdefgh'))"
    argv = [sys.executable, "-c", program]
    told = {subprocess.check_output(argv, env={**os.environ, "PYTHONHASHSEED": seed}) for seed in ("1", "2")}
    assert len(told) == 1
