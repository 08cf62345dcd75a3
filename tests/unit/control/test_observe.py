"""Whatever answers at an address, it becomes a report and never an error of ours."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control import observe
from du_infra.engines import ssh
from du_infra.errors import Unreachable
from du_infra.health.state import VipReport
from du_infra.pool.state import Node

JUNK = ["", "not JSON", "[]", "7", "null", '"ready"']


@pytest.mark.parametrize("body", JUNK)
def test_a_stranger_at_the_vip_is_not_ready(body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe, "http_get", lambda *given, **more: (200, body.encode()))
    assert observe.observe_vip("198.18.1.1") == VipReport(200)


@pytest.mark.parametrize("words", [*JUNK, "{}", json.dumps({"ready": True, "services": [1], "configured": 3})])
def test_a_node_that_says_junk_counts_as_broken(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe.ssh, "run", lambda *given, **more: ssh.Result(0, words, ""))
    target = ssh.Target("demo-home-1", "198.18.1.2", Path("key"), Path("known"))
    context = SimpleNamespace(dead=frozenset(), target=lambda node: target)
    report = observe.observe_node(context, Node("demo-home-1", "1c1g", "198.18.1.2"))
    assert (report.installed, report.broken) == (False, True)
    assert report.why.startswith("`du-node status` does not work: ")


def test_a_node_without_du_node_is_not_broken_but_not_configured_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe.ssh, "run", lambda *given, **more: ssh.Result(127, "", "not found"))
    context = SimpleNamespace(dead=frozenset(), target=lambda node: None)
    report = observe.observe_node(context, Node("demo-home-1", "1c1g", "198.18.1.2"))
    assert (report.installed, report.broken) == (False, False)


@pytest.mark.parametrize(("joined", "why"), [(True, "no route"), (False, "is not there yet")])
def test_a_node_that_was_never_made_is_not_told_as_one_that_is_in_trouble(
    joined: bool, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*given: object, **more: object) -> ssh.Result:
        raise Unreachable("no route")

    monkeypatch.setattr(observe.ssh, "run", run)
    context = SimpleNamespace(name="home", dead=frozenset(), target=lambda node: None)
    report = observe.observe_node(context, Node("demo-home-1", "1c1g", "198.18.1.2", joined=joined))
    assert not report.reachable
    assert report.why.startswith(why)
