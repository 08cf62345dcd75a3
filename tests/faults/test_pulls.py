"""What goes wrong while an image is fetched costs time at most: the old copy serves on, and a later apply succeeds."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.load.runner import Load
from du_infra.pool.lxd.provider import LxdProvider
from tests.faults.registry import HOST, Registry, big_image
from tests.region.du_node_bed import IMAGE, Node, make_node, unmake

pytestmark = pytest.mark.lxd

_MIX = "get=20,post=15,get-fresh=15,post-fresh=10"
_MEGABYTES = 24


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    made = make_node()
    try:
        yield made
    finally:
        unmake(made)


@pytest.fixture
def registry(node: Node) -> Iterator[Registry]:
    """Ours, as the node's registry ``HOST``; hello v1 serves and no image of ours is there."""
    provider = LxdProvider()
    address = provider.registries()[0].address.partition(":")[0]
    with big_image(f"{provider.registries()[0].address}/hello@{node.digests['v1']}", _MEGABYTES) as layout:
        made = Registry(address, layout)
        use(node, made)
        try:
            assert node.apply(node.hello("v1"))[0] == 0
            yield made
        finally:
            made.stop()


def use(node: Node, registry: Registry) -> None:
    """Have the node know it."""
    folder = f"/etc/containerd/certs.d/{HOST}"
    text = f'server = "{registry.url}"\n[host."{registry.url}"]\n  capabilities = ["pull", "resolve"]\n'
    assert node.sh(f"mkdir -p {folder} && cat >{folder}/hosts.toml", text).returncode == 0


def big(registry: Registry, **changes: Any) -> dict[str, Any]:
    """The release that is to be pulled."""
    digest = registry.digest("big")
    service = {"name": "hello", "release": f"big-{digest[7:15]}", "tag": "big", "digest": digest, "port": 8080}
    return {**service, "image": f"{HOST}/hello@{digest}", "start_timeout": 20, "size_mb": _MEGABYTES, **changes}


def ended(process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
    """Exit code, and the error line if there is one."""
    assert process.stdout is not None
    lines = [json.loads(line) for line in process.stdout]
    process.stdout.close()
    return process.wait(60), next((line for line in lines if line["kind"] == "error"), {})


def when_pulling(registry: Registry, process: subprocess.Popen[str], share: float = 0.3) -> None:
    """Wait until some of the image has been sent."""
    deadline = time.monotonic() + 30
    while registry.mood.sent < share * _MEGABYTES * 2**20:
        assert process.poll() is None, ended(process)
        assert time.monotonic() < deadline, "nothing is pulled"
        time.sleep(0.02)


def serves(node: Node, tag: str) -> None:
    """Exactly one copy runs, and it is ``tag``'s."""
    (row,) = node.status()["services"]
    assert (row["tag"], row["ready"]) == (tag, True)
    assert list(node.containers().values()).count("Up") == 1


def test_a_slow_registry_delays_a_release_and_nothing_else(node: Node, registry: Registry) -> None:
    registry.mood.rate = 8 << 20
    began = time.monotonic()
    with Load(node.address, _MIX) as load:
        assert node.apply(big(registry))[0] == 0
    assert time.monotonic() - began > 2
    assert load.report.lost == 0, str(load.report)
    assert len(load.report.releases) == 2
    serves(node, "big")
    assert node.apply(node.hello("v1"))[0] == 0


def corrupt(registry: Registry) -> None:
    registry.mood.corrupt = True


def missing(registry: Registry) -> None:
    registry.mood.missing = True


@pytest.mark.parametrize(("spoil", "words"), [(corrupt, "could not be pulled"), (missing, "has no image")])
def test_a_digest_that_is_not_there_or_does_not_fit_fails_and_the_old_copy_serves_on(
    node: Node, registry: Registry, spoil: Callable[[Registry], None], words: str
) -> None:
    spoil(registry)
    with Load(node.address, _MIX) as load:
        code, error = ended(node.start_apply(big(registry)))
    assert (code, error["error"]) == (5, "image"), error
    assert words in error["text"]
    assert load.report.lost == 0, str(load.report)
    serves(node, "v1")


def test_a_registry_that_goes_away_in_the_middle_is_told_and_the_next_apply_succeeds(
    node: Node, registry: Registry
) -> None:
    registry.mood.rate = 8 << 20
    with Load(node.address, _MIX) as load:
        process = node.start_apply(big(registry))
        when_pulling(registry, process)
        registry.stop()
        code, error = ended(process)
    assert (code, error["error"]) == (8, "registry"), json.dumps(error)
    assert load.report.lost == 0, str(load.report)
    serves(node, "v1")
    again = Registry(str(registry.server_address[0]), registry.layout)
    use(node, again)
    try:
        assert node.apply(big(again))[0] == 0
        serves(node, "big")
    finally:
        again.stop()
    assert node.apply(node.hello("v1"))[0] == 0


def test_a_pull_that_stalls_can_be_called_off_at_once(node: Node, registry: Registry) -> None:
    registry.mood.rate = 8 << 20
    with Load(node.address, _MIX) as load:
        process = node.start_apply(big(registry))
        when_pulling(registry, process)
        registry.mood.stalled = True
        began = time.monotonic()
        done = node.sh("du-node apply --now", node.wanted(node.hello("v1")))
        took = time.monotonic() - began
        ended(process)
    assert done.returncode == 0, done.stdout + done.stderr
    assert took < 10
    assert load.report.lost == 0, str(load.report)
    serves(node, "v1")


def test_a_disk_that_fills_up_during_the_pull_is_told_and_the_old_copy_serves_on(
    node: Node, registry: Registry
) -> None:
    """containerd's folder is made small, then filled while the image is on its way."""
    registry.mood.rate = 4 << 20
    size = 200 + 3 * _MEGABYTES + 130
    store = "/var/lib/containerd"
    move = f"mkdir /tmp/store && cp -a {store}/. /tmp/store && mount -t tmpfs -o size={size}m tmpfs {store}"
    back = f"umount {store} && rm -rf /tmp/store"
    try:
        node.apply()
        done = node.sh(
            f"systemctl stop containerd && {move} && cp -a /tmp/store/. {store} && systemctl start containerd"
        )
        assert done.returncode == 0, done.stderr
        assert node.apply(node.hello("v1"))[0] == 0
        with Load(node.address, _MIX) as load:
            process = node.start_apply(big(registry))
            when_pulling(registry, process, 0.1)
            node.sh(f"cat /dev/zero >{store}/filler")
            code, error = ended(process)
        assert (code, error["error"]) == (5, "no-room"), error
        assert load.report.lost == 0, str(load.report)
        serves(node, "v1")
        node.sh(f"rm {store}/filler")
        assert node.apply(big(registry))[0] == 0
        serves(node, "big")
    finally:
        node.sh(f"rm -f {store}/filler; systemctl stop du-node; du-node apply", node.wanted())
        node.sh(f"systemctl stop containerd; {back}; systemctl start containerd du-node")


def test_an_image_that_the_disk_has_no_room_for_is_refused_before_anything_is_fetched(
    node: Node, registry: Registry
) -> None:
    assert node.apply(node.hello("v1"))[0] == 0
    code, error = ended(node.start_apply(big(registry, size_mb=1 << 20)))
    assert (code, error["error"]) == (5, "no-room")
    assert registry.mood.sent == 0
    assert IMAGE in node.hello("v1")["image"]
    serves(node, "v1")
