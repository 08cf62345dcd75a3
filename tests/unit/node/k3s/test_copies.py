"""Nodes that begin and end to use a release's copies at the same moment: who uses some has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import pytest

from du_node.errors import NodeError
from du_node.runtime.k3s import copies, objects
from du_node.runtime.k3s.names import copies_name, slot_object
from du_node.state import Service
from tests.unit.node.k3s.paper_cluster import PaperApi

SERVICE = Service("hello", "v1-abc", "v1", "r/hello@sha256:0", "sha256:0", 8080, config="c")
KEY = objects.key_of(SERVICE)
NAME = copies_name("hello", KEY)


def begin(api: PaperApi, node: str) -> None:
    """As the driver does: the slot first, then its copies."""
    api.create("services", objects.slot_of(SERVICE, "blue", node, 20000))
    copies.use(api, "hello", KEY, objects.copies_of(SERVICE, 1, (0, 0)))


def stop(api: PaperApi, node: str) -> None:
    slot = api.get("services", slot_object("hello", "blue", node))
    assert slot is not None
    slot["metadata"]["annotations"][objects.STOPPED] = "true"
    api.replace("services", slot)
    copies.leave(api, "hello", KEY)


def remove(api: PaperApi, node: str) -> None:
    api.delete("services", slot_object("hello", "blue", node))
    copies.leave(api, "hello", KEY)


def count(api: PaperApi) -> int | None:
    """How many copies are asked for; None without a Deployment."""
    found = api.objects.get(("deployments", NAME))
    return None if found is None else found["spec"]["replicas"]


def test_the_first_slot_makes_them_each_further_one_adds_one_and_the_last_takes_all_away() -> None:
    api = PaperApi()
    begin(api, "a")
    assert count(api) == 1
    begin(api, "b")
    assert count(api) == 2
    stop(api, "a")
    assert count(api) == 2, "another node's gateway uses them"
    stop(api, "b")
    assert count(api) == 0
    api.create("secrets", objects.secret_of(SERVICE, NAME, {"DB": "x"}))
    remove(api, "a")
    assert count(api) == 0
    remove(api, "b")
    assert api.objects == {}


Work: TypeAlias = Callable[[PaperApi, str], None]


def at_every_moment(work: Work, of: str, other: Work, others: str) -> None:
    """Before each call of the one node's work the other node does all of its own; ``b`` has its copies afterwards."""
    moments = 0
    for moment in range(20):
        api = PaperApi()
        begin(api, "a")
        came: list[int] = []

        def meanwhile(calls: int, api: PaperApi = api, came: list[int] = came, moment: int = moment) -> None:
            if calls == moment and not came:
                came.append(calls)
                other(api, others)

        api.calls, api.meanwhile = 0, meanwhile
        work(api, of)
        moments += len(came)
        if came:
            assert count(api), moment
    assert moments > 3


@pytest.mark.parametrize("end", [stop, remove])
def test_whenever_another_node_begins_while_the_last_one_ends_it_has_its_copies(end: Work) -> None:
    at_every_moment(end, "a", begin, "b")


@pytest.mark.parametrize("end", [stop, remove])
def test_whenever_the_last_one_ends_while_another_begins_that_one_has_its_copies(end: Work) -> None:
    at_every_moment(begin, "b", end, "a")


def test_copies_that_are_gone_are_not_made_out_of_nothing() -> None:
    with pytest.raises(NodeError, match="no copies"):
        copies.use(PaperApi(), "hello", KEY)


def asked(api: PaperApi, number: int, service: str = "hello") -> bool:
    return copies.ask(api, service, number)


def test_as_many_as_are_asked_for_and_never_less_than_slots_that_use_them() -> None:
    api = PaperApi()
    begin(api, "a")
    begin(api, "b")
    assert (asked(api, 4), count(api)) == (True, 4)
    assert (asked(api, 4), count(api)) == (False, 4)
    begin(api, "c")
    assert count(api) == 4
    assert (asked(api, 1), count(api)) == (True, 3)
    stop(api, "a")
    assert count(api) == 3, "copies stay until they are asked away"
    assert (asked(api, 1), count(api)) == (True, 2)
    stop(api, "b")
    stop(api, "c")
    assert (asked(api, 5), count(api)) == (False, 0), "what nobody uses stays off"


def test_another_node_that_begins_while_fewer_are_asked_for_has_its_copies() -> None:
    def fewer(api: PaperApi, _: str) -> None:
        asked(api, 1)

    for work, of, other, others in ((begin, "b", fewer, ""), (fewer, "", begin, "b")):
        for moment in range(20):
            api = PaperApi()
            begin(api, "a")
            asked(api, 2)
            came: list[int] = []

            def meanwhile(
                calls: int,
                api: PaperApi = api,
                came: list[int] = came,
                moment: int = moment,
                other: Work = other,
                others: str = others,
            ) -> None:
                if calls == moment and not came:
                    came.append(calls)
                    other(api, others)

            api.calls, api.meanwhile = 0, meanwhile
            work(api, of)
            if came:
                assert count(api) == 2, (moment, work.__name__)


def test_a_new_release_begins_with_as_many_as_run_within_its_bounds() -> None:
    api = PaperApi()
    assert copies.first_count(api, replace(SERVICE, copies=(2, 4))) == 2
    begin(api, "a")
    asked(api, 3)
    assert [copies.first_count(api, replace(SERVICE, copies=both)) for both in ((1, 1), (1, 4), (5, 6))] == [1, 3, 5]
    newer = replace(SERVICE, release="v2-x", copies=(1, 4))
    key = objects.key_of(newer)
    api.create("services", objects.slot_of(newer, "green", "a", 20001))
    made = objects.copies_of(newer, copies.first_count(api, newer), (0, 0))
    assert copies.use(api, "hello", key, made)
    assert api.objects["deployments", copies_name("hello", key)]["spec"]["replicas"] == 3
    assert not copies.use(api, "hello", key, made)


def test_the_way_back_has_as_many_as_what_it_takes_over_from() -> None:
    api = PaperApi()
    begin(api, "a")
    newer = replace(SERVICE, release="v2-x")
    api.create("services", objects.slot_of(newer, "green", "a", 20001))
    copies.use(api, "hello", objects.key_of(newer), objects.copies_of(newer, 1, (0, 0)))
    stop(api, "a")
    asked(api, 4)
    slot = api.get("services", slot_object("hello", "blue", "a"))
    assert slot is not None
    slot["metadata"]["annotations"][objects.STOPPED] = "false"
    api.replace("services", slot)
    copies.use(api, "hello", KEY)
    assert count(api) == 4
