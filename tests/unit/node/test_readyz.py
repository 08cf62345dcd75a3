"""What /readyz answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from du_node import readyz

META = {"fleet": "demo", "region": "home", "node": "n1", "config": "c1", "services": [{"name": "hello"}]}
ITEM = {"service": "hello", "primary": {"slot": "blue", "release": "v1-x", "tag": "v1", "port": 20000}}


def answer(**changes: Any) -> tuple[int, dict[str, Any]]:
    given: dict[str, Any] = {
        "meta": META,
        "table": [ITEM],
        "ready": {"hello": True},
        "gateway_ok": True,
        "applied": True,
        "among": {"draining": False, "front": False},
    }
    status, body = readyz.answer(**{**given, **changes})
    return status, json.loads(body)


def test_a_ready_node_tells_its_releases_and_configuration() -> None:
    status, body = answer()
    assert status == 200
    assert body == {
        "ready": True,
        "fleet": "demo",
        "region": "home",
        "node": "n1",
        "config": "c1",
        "draining": False,
        "front": False,
        "releases": {"hello": {"release": "v1-x", "tag": "v1", "slot": "blue", "ready": True}},
    }


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"meta": {}}, "nothing was applied"),
        ({"gateway_ok": False}, "gateway"),
        ({"table": []}, "not deployed: hello"),
        ({"ready": {"hello": False}}, "not ready: hello"),
        ({"ready": {}}, "not ready: hello"),
    ],
)
def test_a_node_that_is_not_ready_answers_503_and_says_why(changes: dict[str, Any], why: str) -> None:
    status, body = answer(**changes)
    assert (status, body["ready"]) == (503, False)
    assert why in body["why"]


def test_the_configuration_is_told_only_when_all_of_it_was_applied() -> None:
    status, body = answer(applied=False)
    assert (status, body["config"]) == (200, "")


def test_a_node_that_is_drained_says_so_and_stays_ready() -> None:
    status, body = answer(among={"draining": True, "front": True})
    assert (status, body["ready"], body["draining"], body["front"]) == (200, True, True, True)


def test_a_region_without_services_is_ready() -> None:
    assert answer(meta={**META, "services": []}, table=[], ready={})[0] == 200
