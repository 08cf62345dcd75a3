"""Nodes that begin and end to use a release's copies at the same moment: who uses some has them."""

from __future__ import annotations

from collections.abc import Callable
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
