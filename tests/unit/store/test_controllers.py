"""Who is there, who holds what: nobody holds what another does, and the buried hold nothing."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import insert

from du_infra.errors import Busy
from du_infra.store import tables
from du_infra.store.controllers import Controllers, held
from du_infra.store.database import Store
from du_infra.store.gate import fenced
from du_infra.store.owner import this_process
from tests.shared_store import Opener

ALL = frozenset({"a", "b", "c"})


@pytest.fixture
def table(store: Store) -> Controllers:
    """With two controllers, one and two."""
    for me in ("one", "two"):
        store.controllers.join(me, this_process(), ALL)
    return store.controllers


def test_who_signs_sees_who_is_there_and_who_holds_what(table: Controllers) -> None:
    table.take("one", {"a"})
    board = table.sign("two")
    assert board
    assert board.holds == {"a": "one"}
    assert {me: (seen.minds, seen.owner) for me, seen in board.controllers.items()} == dict.fromkeys(
        ["one", "two"], (ALL, this_process())
    )
    assert abs(board.wall - board.controllers["two"].beat) < 5


def test_what_one_would_mind_can_change(table: Controllers) -> None:
    board = table.sign("one", {"c"})
    assert board
    assert board.controllers["one"].minds == {"c"}


def test_what_another_holds_is_not_taken_until_it_is_given(table: Controllers) -> None:
    assert table.take("one", ["b", "a"]) == {"a", "b"}
    assert table.take("two", ["a", "b", "c"]) == {"c"}
    table.give("two", ["a"])
    assert table.take("two", ["a"]) == set()
    table.give("one", ["a"])
    assert table.take("two", ["a"]) == {"a"}


def test_one_that_is_buried_holds_nothing_and_can_take_nothing(table: Controllers) -> None:
    table.take("one", ["a"])
    beat = table.board().controllers["one"].beat
    assert table.bury("one", beat)
    assert not table.bury("one", beat)
    assert table.sign("one") is None
    assert table.take("one", ["b"]) == set()
    assert table.take("two", ["a"]) == {"a"}


def test_one_that_signed_meanwhile_is_not_buried(table: Controllers) -> None:
    table.take("one", ["a"])
    assert not table.bury("one", table.board().controllers["one"].beat - 20)
    assert table.board().holds == {"a": "one"}


def test_one_that_leaves_frees_what_it_held(table: Controllers) -> None:
    table.take("one", ["a"])
    table.leave("one")
    assert table.board().holds == {}
    assert table.board().controllers.keys() == {"two"}


def test_a_write_for_a_region_that_went_to_another_is_not_done(store: Store, table: Controllers) -> None:
    table.take("one", ["a"])
    with fenced(held("one", "a")):
        store.event("a", "heal", "still ours")
        table.give("one", ["a"])
        table.take("two", ["a"])
        with pytest.raises(Busy, match="another controller minds this region"):
            store.event("a", "heal", "too late")
        with pytest.raises(Busy), store.leases.held("a/x", "nor does it begin anything"):
            pass
    assert store.last_order("a", "too late") == ""
    assert store.last_order("a", "still ours") == "heal"


def test_who_takes_over_comes_after_a_write_that_passed_the_fence(shared: Opener) -> None:
    store = shared()
    store.controllers.join("one", this_process(), ALL)
    store.controllers.take("one", ["a"])
    beat = store.controllers.board().controllers["one"].beat
    row = {"time": 1.0, "region": "a", "actor": "x", "kind": "heal", "text": "in time"}
    with fenced(held("one", "a")), store._gate.begin() as connection:
        connection.execute(insert(tables.events).values(row))
        assert not store.controllers.bury("one", beat)
    assert store.controllers.board().holds == {"a": "one"}
    assert store.controllers.bury("one", beat)
    assert store.last_order("a", "in time") == "heal"


def test_of_many_that_run_for_the_same_regions_each_gets_what_nobody_else_has(shared: Opener) -> None:
    store, names = shared(), [f"r{number}" for number in range(100)]
    won: dict[str, set[str]] = {}
    gate = threading.Barrier(4)

    def run(me: str) -> None:
        store.controllers.join(me, this_process(), frozenset(names))
        gate.wait()
        won[me] = store.controllers.take(me, names[:: -1 if me in "ac" else 1])

    threads = [threading.Thread(target=run, args=(me,)) for me in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for got in won.values() for name in got) == sorted(names)
    assert store.controllers.board().holds == {name: me for me, got in won.items() for name in got}
