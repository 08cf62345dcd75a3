"""du-node on K3s: releases, switches under load, deaths and leftovers, on the stand-in."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.k3s.node_bed import make_node
from tests.region.du_node_bed import Load, Node, unmake

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node()
    yield made
    unmake(made)


def objects(node: Node, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(node.sh(f"{node.tool} get {kind} -o json").stdout)["items"]
    return found


def test_the_first_release_is_served_and_a_second_apply_finds_nothing_to_do(node: Node) -> None:
    code, lines = node.apply(node.hello("v1"))
    assert code == 0, lines
    assert node.wait_until_ready("v1")["releases"]["hello"]["slot"] == "blue"
    assert "version v1" in node.get()[1]
    code, lines = node.apply(node.hello("v1"))
    assert (code, lines[-1]["steps"]) == (0, 0)


def test_switches_under_load_lose_no_request(node: Node) -> None:
    with Load(node.address, clients=4, pause=0.02) as load:
        for tag in ("v2", "v1", "v2"):
            code, lines = node.apply(node.hello(tag))
            assert code == 0, lines
    assert load.failed == {}
    assert load.ok > 100
    assert len(objects(node, "deployments")) == 2  # the one that serves, and the one for the way back
