"""The local cloud keeps to itself: its own names, its own addresses, and it recovers from what was killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from du_infra.engines.lxd import Lxd, find_lxd
from du_infra.errors import DuError, Refused, ToolMissing
from du_infra.local import registry, samples
from du_infra.pool.lxd import LxdProvider, network, profile, storage
from du_infra.pool.lxd.site import HERE, Site
from du_infra.progress import silent
from tests.region.conftest import Bed

pytestmark = pytest.mark.lxd

OTHER = Site(bridge="dubrt0", network=IPv4Network("203.0.113.0/24"), dhcp=("203.0.113.200", "203.0.113.210"))
LOOPBACK = Site(network=IPv4Network("127.9.0.0/16"), registry_port=5077)


@pytest.fixture
def lxd() -> Lxd:
    return find_lxd()


@pytest.fixture
def bridge(lxd: Lxd) -> Iterator[str]:
    """The name of a bridge that this test may make; it is gone afterwards."""
    yield OTHER.bridge
    if lxd.find(f"/1.0/networks/{OTHER.bridge}"):
        subprocess.run(["lxc", "network", "delete", OTHER.bridge], capture_output=True, check=False)
    subprocess.run(["ip", "link", "delete", OTHER.bridge], capture_output=True, check=False)


def addresses(bridge: str) -> list[str]:
    shown = subprocess.run(["ip", "-json", "-4", "address", "show", "dev", bridge], capture_output=True, check=False)
    return [a["local"] for link in json.loads(shown.stdout or "[]") for a in link.get("addr_info", [])]


@pytest.mark.alone
def test_preparing_again_changes_nothing_and_takes_no_time() -> None:
    provider = LxdProvider()
    provider.prepare(silent)
    events: list[object] = []
    start = time.monotonic()
    provider.prepare(events.append)
    assert events == []
    assert time.monotonic() - start < 2


def test_a_bridge_is_made_with_our_addresses_and_made_again_when_it_was_removed(lxd: Lxd, bridge: str) -> None:
    network.ensure(lxd, OTHER, silent)
    assert addresses(bridge) == [OTHER.gateway]
    subprocess.run(["ip", "link", "delete", bridge], check=True)
    network.ensure(lxd, OTHER, silent)
    assert addresses(bridge) == [OTHER.gateway]


def test_a_network_of_that_name_that_is_not_ours_is_refused_and_kept(lxd: Lxd, bridge: str) -> None:
    subprocess.run(["lxc", "network", "create", bridge, "ipv4.address=none", "ipv6.address=none"], check=True)
    with pytest.raises(Refused, match=bridge):
        network.ensure(lxd, OTHER, silent)
    assert lxd.find(f"/1.0/networks/{bridge}") is not None


def test_a_bridge_left_by_a_dead_daemon_is_cleared_away(lxd: Lxd, bridge: str) -> None:
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", f"{OTHER.gateway}/24", "dev", bridge], check=True)
    network.ensure(lxd, OTHER, silent)
    assert addresses(bridge) == [OTHER.gateway]


def test_addresses_that_this_machine_routes_elsewhere_are_refused(lxd: Lxd, bridge: str) -> None:
    subprocess.run(["ip", "link", "add", "dubrx0", "type", "bridge"], check=True)
    try:
        subprocess.run(["ip", "address", "add", "203.0.113.9/25", "dev", "dubrx0"], check=True)
        subprocess.run(["ip", "link", "set", "dubrx0", "up"], check=True)
        with pytest.raises(Refused, match="dubrx0"):
            network.ensure(lxd, OTHER, silent)
        assert addresses(bridge) == []
    finally:
        subprocess.run(["ip", "link", "delete", "dubrx0"], check=True)


def test_a_pool_or_profile_that_is_not_ours_is_refused(lxd: Lxd) -> None:
    name = "du-foreign"
    lxd.query("/1.0/profiles", "POST", {"name": name})
    lxd.query("/1.0/storage-pools", "POST", {"name": name, "driver": "dir", "config": {}})
    try:
        with pytest.raises(Refused, match=name):
            profile.ensure(lxd, Site(profile=name))
        with pytest.raises(Refused, match=name):
            storage.ensure(lxd, Site(pool=name), silent)
    finally:
        lxd.query(f"/1.0/profiles/{name}", "DELETE")
        lxd.query(f"/1.0/storage-pools/{name}", "DELETE")


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A registry of this test's own."""
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    yield tmp_path
    registry.remove(LOOPBACK)


@pytest.mark.usefixtures("elsewhere")
def test_the_registry_runs_once_and_comes_back_after_a_kill() -> None:
    registry.ensure(silent, LOOPBACK)
    pid = int((Path(os.environ["DU_INFRA_RUN"]) / "registry.pid").read_text())
    registry.ensure(silent, LOOPBACK)
    assert int((Path(os.environ["DU_INFRA_RUN"]) / "registry.pid").read_text()) == pid
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    registry.ensure(silent, LOOPBACK)
    assert registry.answers(LOOPBACK)
    assert registry.remove(LOOPBACK) is True
    assert not registry.answers(LOOPBACK)


@pytest.mark.usefixtures("elsewhere")
def test_a_port_that_somebody_else_has_is_refused_and_named() -> None:
    import socket

    with socket.create_server((LOOPBACK.gateway, LOOPBACK.registry_port)):
        with pytest.raises(Refused, match=str(LOOPBACK.registry_port)) as error:
            registry.ensure(silent, LOOPBACK)
        assert str(os.getpid()) in error.value.detail


def test_sample_images_are_pushed_once() -> None:
    samples.ensure_all(silent)
    assert samples.ensure(samples.TAGS, silent) == []


def test_a_full_disk_is_one_clear_error_and_leaves_no_half_made_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)], check=True)
    try:
        monkeypatch.setenv("DU_INFRA_CACHE", str(small))
        with pytest.raises(DuError) as full:
            samples.ensure(["v1"], silent, force=True)
        assert "space" in f"{full.value.what} {full.value.todo}"
        assert [p.name for p in (small / "samples").iterdir()] == []
        from du_infra.pool.lxd.build import build

        with pytest.raises(ToolMissing, match="disk space"):
            build(LxdProvider().recipe, small / "images" / "x", tools=small / "tools", report=silent)
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.alone
def test_a_killed_daemon_finds_its_nodes_again_and_the_next_command_goes_on(make_bed: object) -> None:
    bed: Bed = make_bed()  # type: ignore[operator]
    result = bed.region.up()
    lxd = find_lxd()
    os.kill(lxd.query("/1.0")["environment"]["server_pid"], signal.SIGKILL)
    while lxd.answers():
        time.sleep(0.05)
    assert bed.get()[0] == 200
    again = bed.region.up()
    assert again.nodes == result.nodes
    assert again.changed_tasks == 0
    assert bed.region.status().ready


def test_everything_that_stands_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    from du_infra.cli.main import cli

    cli.main(["local", "status", "--output", "json"], standalone_mode=False)
    told = json.loads(capfd.readouterr().out)
    assert (told["daemon"], told["bridge"], told["pool"], told["image"]) == (True, True, True, True)
    assert HERE.bridge == "dubr0"
