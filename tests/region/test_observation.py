"""Releases that do badly on a real node, under load: each is noticed, named and taken back as its settings say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.kinds import on
from tests.region.du_node_bed import Load, Node, make_node, unmake

pytestmark = pytest.mark.lxd

TAGS = (
    *("v1", "v2", "errors-3-percent", "slow", "crash-after-5s", "leaky", "never-ready", "slow-start"),
    *("exits-at-once", "ignores-sigterm"),
)

LOST = {"POST 502", "POST 503"}
"""What nginx and Envoy say of a request whose copy ended while it answered."""


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    runtime, gateway = request.param
    made = make_node(gateway, TAGS, runtime=runtime)
    try:
        assert made.apply(made.hello("v1"))[0] == 0
        yield made
    finally:
        unmake(made)


class Release:
    """One release under load, and what came of it."""

    def __init__(self, node: Node, tag: str, observe: float = 6, clients: int = 3, **changes: Any) -> None:
        rollout = {"observe": observe, **changes.pop("rollout", {})}
        with Load(node.address, clients, pause=0.02) as self.load:
            time.sleep(0.5 if clients else 0)
            self.code, self.lines = node.apply(node.hello(tag, rollout=rollout, **changes))

    def only(self, kind: str) -> dict[str, Any]:
        (line,) = (line for line in self.lines if line["kind"] == kind)
        return line

    @property
    def failed(self) -> dict[str, int]:
        return dict(self.load.failed)


def taken_back(node: Node, release: Release, kind: str = "observation") -> str:
    """v1 serves alone again and the bad copy is gone; what the user reads first."""
    error = release.only("error")
    assert (release.code, error["error"], error["service"]) == (6, kind, "hello"), release.lines
    assert "log" in error["detail"]
    (service,) = node.status()["services"]
    assert (service["tag"], service["ready"]) == ("v1", True)
    assert [how for how in node.containers().values() if how == "Up"] == ["Up"]
    text: str = error["text"]
    return text


@on(envoy=True, clusters=True)
def test_errors_beyond_what_is_allowed_take_it_back(node: Node) -> None:
    release = Release(node, "errors-3-percent")
    text = taken_back(node, release)
    assert "errors-3-percent answered 5xx to " in text
    assert "(v1: 0.0 %), more than the 1.0 % allowed" in text
    report = release.only("report")
    assert 2 < report["error_percent"] < 4
    assert report["errors"] <= sum(release.failed.values())
    assert set(release.failed) <= {"GET 500", "POST 500"}


@on(clusters=True)
def test_errors_that_are_allowed_do_not(node: Node) -> None:
    release = Release(node, "errors-3-percent", observe=2, rollout={"max_errors": 5})
    assert release.code == 0, release.lines
    assert 2 < release.only("report")["error_percent"] < 4
    back = Release(node, "v1", observe=0)
    assert back.code == 0
    assert set(back.failed) <= {"GET 500", "POST 500"}


@on(clusters=True)
def test_answers_that_are_slower_than_before_take_it_back(node: Node) -> None:
    release = Release(node, "slow")
    text = taken_back(node, release)
    assert "95 % of slow's answers begin within 1" in text
    report = release.only("report")
    assert report["p95_ms"] >= 100 > report["old_p95_ms"]
    assert not release.failed


@on(envoy=True, clusters=True)
def test_a_crash_takes_it_back_and_the_backup_answers_meanwhile(node: Node) -> None:
    release = Release(node, "crash-after-5s", env={"HELLO_CRASH_AFTER": "3"}, observe=10)
    assert "crash-after-5s ended by itself with exit code 3" in taken_back(node, release)
    assert "crashing, as asked for" in release.only("error")["detail"]
    assert set(release.failed) <= LOST  # sent, and so never sent again
    assert sum(release.failed.values()) <= 3


@on(clusters=True)
def test_a_crash_that_is_allowed_is_mended_and_counted(node: Node) -> None:
    env = {"HELLO_CRASH_AFTER": "4" if node.runtime == "k3s" else "2"}  # a cluster sends requests a second later
    release = Release(node, "crash-after-5s", observe=5, env=env, rollout={"max_restarts": 9, "max_errors": 100})
    assert release.code == 0, release.lines
    report = release.only("report")
    assert 1 <= report["restarts"] <= 2
    assert report["oom"] == 0
    assert Release(node, "v1", observe=0, clients=0).code == 0


@on(clusters=True)
def test_a_lack_of_memory_takes_it_back_and_is_named(node: Node) -> None:
    release = Release(node, "leaky", observe=15, memory_mb=64, env={"HELLO_LEAK_MB": "25"})
    assert "leaky was killed because memory ran out" in taken_back(node, release)
    assert release.only("report")["oom"] == 1
    assert set(release.failed) <= LOST


@pytest.mark.parametrize("tag", ["never-ready", "slow-start"])
@on(clusters=True)
def test_what_is_not_ready_in_time_gets_no_request(node: Node, tag: str) -> None:
    release = Release(node, tag, start_timeout=4)
    text = taken_back(node, release, "not-ready")
    assert "after 4 s /readyz answers 503 (not ready)" in text
    assert not release.failed
    assert set(release.load.releases) == {node.hello("v1")["release"]}


@on(clusters=True)
def test_what_starts_slowly_and_has_the_time_goes_live(node: Node) -> None:
    release = Release(node, "slow-start", observe=1, start_timeout=20)
    assert release.code == 0, release.lines
    assert not release.failed
    assert set(release.load.releases) == {node.hello(tag)["release"] for tag in ("v1", "slow-start")}


@pytest.mark.parametrize("tag", ["exits-at-once", "ignores-sigterm"])
@on(clusters=True)
def test_an_old_copy_that_is_rude_to_sigterm_loses_no_request(node: Node, tag: str) -> None:
    for release in (Release(node, tag, observe=0, stop_grace=1), Release(node, "v1", observe=1)):
        assert release.code == 0, release.lines
        assert not release.failed
    assert len(release.load.releases) == 2
    assert [how for how in node.containers().values() if how == "Up"] == ["Up"]


@on(clusters=True)
def test_too_few_requests_to_judge_by_are_said_and_are_no_failure(node: Node) -> None:
    release = Release(node, "v2", observe=2, clients=0)
    assert release.code == 0, release.lines
    assert "0 requests were too few to judge errors by (50 are needed)" in release.only("report")["note"]
