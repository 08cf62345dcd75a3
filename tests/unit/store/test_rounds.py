"""A round that was begun is there for the next process, until it ends or its region does."""

from __future__ import annotations

from dataclasses import replace

from du_infra.pool.turns import Round
from du_infra.store.database import Store
from tests.shared_store import Opener


def test_the_next_process_sees_what_is_done_and_whose_turn_it_is(store: Store, opened: Opener) -> None:
    begun = store.rounds.begin("home", "reboot", "ann@desk")
    begun = store.rounds.change("home", replace(begun, done=("a-2",), turn="a-1", boot="17"))
    assert opened().rounds.open("home", "reboot") == begun
    assert begun == Round("reboot", ("a-2",), "a-1", "17", "ann@desk", begun.started)


def test_rounds_of_another_region_or_kind_are_their_own(store: Store) -> None:
    store.rounds.begin("home", "reboot", "ann@desk")
    assert store.rounds.open("home", "upgrade") is None
    assert store.rounds.open("away", "reboot") is None


def test_one_that_ended_or_is_begun_anew_leaves_nothing(store: Store) -> None:
    begun = store.rounds.begin("home", "reboot", "ann@desk")
    store.rounds.change("home", replace(begun, done=("a-2",)))
    assert store.rounds.begin("home", "reboot", "bob@desk").done == ()
    store.rounds.end("home", "reboot")
    assert store.rounds.open("home", "reboot") is None


def test_a_region_that_is_forgotten_takes_its_rounds_along(store: Store) -> None:
    store.rounds.begin("home", "upgrade", "ann@desk")
    store.rounds.begin("away", "upgrade", "ann@desk")
    store.forget("home")
    assert store.rounds.open("home", "upgrade") is None
    assert store.rounds.open("away", "upgrade")
