"""More copies than nodes: made, measured, taken over by a release, and taken away under load, on the stand-in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.region.du_node_bed import Load, Node, make_node, unmake

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node(runtime="k3s")
    yield made
    unmake(made)


def copies(node: Node) -> dict[str, Any]:
    (row,) = node.status()["services"]
    found: dict[str, Any] = row["copies"]
    return found


def ask(node: Node, count: int, *nodes: str) -> list[dict[str, Any]]:
    order = {"copies": {"hello": count}, "nodes": [*nodes] or [node.name]}
    done = node.sh("du-node k3s copies", json.dumps(order))
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait(node: Node, ready: int) -> float:
    """Until so many are ready and no more run; how long that took."""
    began = time.monotonic()
    while (found := copies(node))["ready"] != ready or len(node.containers()) != ready:
        assert time.monotonic() - began < 60, found
        time.sleep(0.3)
    return time.monotonic() - began


def test_a_release_begins_with_as_many_as_are_asked_for(node: Node) -> None:
    code, lines = node.apply(node.hello("v1", replicas={"min": 2, "max": 4}))
    assert code == 0, lines
    found = copies(node)
    assert (found["asked"], found["count"], found["slots"], found["ready"], found["here"]) == (2, 2, 1, 2, 2)


def test_more_are_made_and_measured(node: Node) -> None:
    assert ask(node, 3)[-1]["changed"]
    print(f"a third copy is ready after {wait(node, 3):.1f} s")
    assert not ask(node, 3)[-1]["changed"]
    copies(node)
    with Load(node.address, clients=4, pause=0.002) as load:
        time.sleep(8)
        found = copies(node)
    assert load.failed == {}
    print(f"busy: {found['cpu_percent']} % of one CPU each")
    assert 0 < found["cpu_percent"] <= 100


def test_another_release_has_as_many_and_no_request_is_lost(node: Node) -> None:
    with Load(node.address, clients=4, pause=0.02) as load:
        code, lines = node.apply(node.hello("v2", replicas={"min": 1, "max": 4}))
        assert code == 0, lines
    assert load.failed == {}
    assert (copies(node)["asked"], copies(node)["ready"]) == (3, 3)


def test_fewer_are_left_and_no_request_is_lost(node: Node) -> None:
    with Load(node.address, clients=4, pause=0.02) as load:
        ask(node, 1)
        wait(node, 1)
        time.sleep(8)  # one that ends answers on for a while
    assert load.failed == {}
    assert load.ok > 100


def test_the_way_back_has_as_many_as_what_it_takes_over_from(node: Node) -> None:
    ask(node, 2)
    wait(node, 2)
    code, lines = node.apply(node.hello("v1", replicas={"min": 1, "max": 4}))
    assert code == 0, lines
    assert copies(node)["asked"] == 2


def test_what_a_node_that_is_gone_has_left_keeps_no_copies(node: Node) -> None:
    told = json.loads(node.sh("k3s kubectl -n du-infra get services -o json").stdout)["items"]
    slot = next(one for one in told if one["metadata"]["annotations"].get("du.stopped") != "true")
    ghost = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "hello-blue-ghost",
            "labels": {**slot["metadata"]["labels"], "du-infra/node": "0123456789"},
            "annotations": slot["metadata"]["annotations"],
        },
        "spec": {"type": "NodePort", "selector": slot["spec"]["selector"], "ports": [{"port": 8080}]},
    }
    node.sh("k3s kubectl -n du-infra apply -f -", json.dumps(ghost))
    assert copies(node)["slots"] == 2
    lines = ask(node, 1)
    assert lines[0]["text"].endswith("of a node that is gone is removed")
    assert (copies(node)["slots"], copies(node)["count"]) == (1, 1)
