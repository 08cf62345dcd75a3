"""What du-infra relies on of `k3s server --cluster-reset`: etcd's majority lost, one goes on; a snapshot; who may join.

The tests build on one another, top to bottom.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.k3s import build
from tests.k3s.control_planes import Server, servers

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    with servers(4, build.binary(), tmp_path_factory.mktemp("servers")) as made:
        yield made


def joins(server: Server, other: Server) -> tuple[str, ...]:
    return ("--server", f"https://{other.address}:6443", "--token", other.token)


def test_the_one_of_three_that_is_left_is_reset_and_has_what_it_had(four: list[Server]) -> None:
    first, second, third, _ = four
    first.start("--cluster-init")
    for one in (second, third):
        one.start(*joins(one, first))
    assert third.members() == ["n-1", "n-2", "n-3"]
    assert third.kubectl("create", "namespace", "before").returncode == 0
    with_url = joins(third, first)
    first.kill()
    second.kill()
    time.sleep(12)  # more than an election takes
    assert not third.has("before"), "no majority, no answer"
    third.kill()
    assert "cannot perform cluster-reset while server URL is set" in third.once(*with_url, "--cluster-reset").stderr
    began = time.monotonic()
    done = third.once("--cluster-reset")
    assert done.returncode == 0, done.stderr
    assert "restart without --cluster-reset flag now" in done.stderr
    took = time.monotonic() - began
    assert "was previously reset" in third.once("--cluster-reset").stderr
    third.start("--cluster-init")
    print(f"reset: {took:.1f} s, API after {time.monotonic() - began:.1f} s")
    assert third.members() == ["n-3"]
    assert third.has("before")
    assert not (third.home / "server/db/reset-flag").exists()


def test_one_with_the_old_data_does_not_get_in_until_that_is_gone(four: list[Server]) -> None:
    _, second, third, _ = four
    second.spawn(*joins(second, third))
    time.sleep(10)
    assert third.members() == ["n-3"]
    second.kill()
    shutil.rmtree(second.home / "server/db/etcd")
    second.start(*joins(second, third))
    assert third.members() == ["n-2", "n-3"]


def test_a_snapshot_becomes_the_etcd_of_a_server_alone(four: list[Server]) -> None:
    _, second, third, fourth = four
    assert third.k3s("etcd-snapshot", "save", "--name", "x").returncode == 0
    (snapshot,) = (third.home / "server/db/snapshots").glob("x-*")
    assert third.kubectl("create", "namespace", "after").returncode == 0
    second.kill()
    third.kill()
    _bring(third.home / "server", fourth.home / "server")
    asked = ("--cluster-reset", "--cluster-reset-restore-path", str(snapshot))
    began = time.monotonic()
    done = fourth.once(*asked, "--token", third.token)
    assert done.returncode == 0, done.stderr
    fourth.start("--cluster-init", "--token", third.token)
    print(f"restored: API after {time.monotonic() - began:.1f} s")
    assert fourth.members() == ["n-4"]
    assert (fourth.has("before"), fourth.has("after")) == (True, False)


def _bring(source: Path, target: Path) -> None:
    """What a backup has beside the data."""
    for pattern in ("tls/*-ca.*", "tls/service.key", "tls/etcd/*-ca.*"):
        for path in source.glob(pattern):
            there = target / path.relative_to(source)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, there)
