"""The controller asks for a number of copies; what a node that is gone has left is removed first."""

from __future__ import annotations

from typing import Any

import pytest

from du_node.errors import NodeError
from du_node.runtime.k3s import counts
from tests.unit.node.k3s.paper_cluster import PaperApi
from tests.unit.node.k3s.test_copies import begin, count


def settle(api: PaperApi, number: int, *nodes: str) -> tuple[bool, list[str]]:
    told: list[str] = []
    return counts.settle({"hello": number}, nodes, told.append, api), told


def test_so_many_copies_are_asked_for_once() -> None:
    api = PaperApi()
    begin(api, "a")
    assert settle(api, 3, "a") == (True, ["hello: 3 copies are asked for"])
    assert count(api) == 3
    assert settle(api, 3, "a") == (False, [])


def test_a_slot_of_a_node_that_is_gone_keeps_no_copies() -> None:
    api = PaperApi()
    begin(api, "a")
    begin(api, "b")
    assert settle(api, 1, "a", "b") == (False, [])
    assert settle(api, 1, "A")[1][0] == "hello: slot blue of a node that is gone is removed"
    assert count(api) == 1
    assert settle(api, 1, "c")[0]
    assert api.objects == {}


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"copies": {"hello": 1}},
        {"copies": {"hello": 0}, "nodes": ["a"]},
        {"copies": {"hello": True}, "nodes": ["a"]},
        {"copies": {"a b": 1}, "nodes": ["a"]},
        {"copies": {}, "nodes": []},
        {"copies": {}, "nodes": [1]},
    ],
)
def test_a_malformed_order_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        counts.order_of(order)
    assert caught.value.kind == "bad-wanted"
