"""What a node is told of the others of its region."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from du_infra.control.configure import among
from du_infra.pool.state import Node


def node(number: int) -> Node:
    return Node(f"demo-home-{number}", "1c1g", f"198.18.1.{number}")


def test_a_node_is_told_of_the_others_and_not_of_itself() -> None:
    told = among([node(2), node(1), node(10)], node(1))
    assert told["du_peers"] == ["198.18.1.2", "198.18.1.10"]
    assert told["du_peer_nodes"][0] == {"name": "demo-home-2", "address": "198.18.1.2"}
    assert among([node(1)], node(1))["du_peers"] == []


@given(st.lists(st.integers(1, 240), min_size=1, max_size=20, unique=True))
def test_priorities_are_valid_differ_and_hang_on_nobody_else(numbers: list[int]) -> None:
    nodes = [node(number) for number in numbers]
    priorities = {n.name: among(nodes, n)["du_priority"] for n in nodes}
    assert all(1 <= priority <= 254 for priority in priorities.values())
    assert {name: among([], n)["du_priority"] for name, n in ((n.name, n) for n in nodes)} == priorities
    near = [n for n in nodes if max(numbers) - int(n.name.rpartition("-")[2]) < 100]
    assert len({priorities[n.name] for n in near}) == len(near)


@given(st.permutations([node(number) for number in (1, 2, 3, 4)]))
def test_the_order_in_which_nodes_are_recorded_changes_no_node(nodes: list[Node]) -> None:
    assert among(nodes, node(3)) == among(sorted(nodes, key=lambda n: n.name), node(3))
