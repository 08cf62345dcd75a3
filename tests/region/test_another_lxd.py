"""A second LXD daemon on this machine: its bridge is not touched while it lives, and cleared away once it is dead."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from du_infra.engines.daemon import Daemon, command_line
from du_infra.engines.lxd import Lxd, find_lxd, wait_ready
from du_infra.errors import Refused
from du_infra.pool.lxd import network
from du_infra.pool.lxd.site import Site
from du_infra.progress import silent

pytestmark = pytest.mark.lxd

SITE = Site(bridge="dubrt1", network=IPv4Network("203.0.113.0/24"), dhcp=("203.0.113.200", "203.0.113.210"))


@pytest.fixture
def other() -> Iterator[tuple[Lxd, Daemon]]:
    """A daemon of this test's own; everything of it is gone afterwards."""
    found = find_lxd()
    folder = Path(tempfile.mkdtemp(prefix="lxd-"))
    lxd = Lxd(found.client, found.server, folder)
    argv = (lxd.server, "--group", "root", "--logfile", str(folder / "words"))
    daemon = Daemon(argv, folder / "pid", folder / "log", {"LXD_DIR": str(folder)})
    process = daemon.start()
    assert wait_ready(lxd, process, 60) == ""
    yield lxd, daemon
    process.kill()
    process.wait()
    for server in network.dnsmasq_of(SITE.bridge):
        subprocess.run(["kill", str(server)], check=False)
    for name in ("devlxd", "shmounts"):
        subprocess.run(["umount", "--lazy", str(folder / name)], capture_output=True, check=False)
    shutil.rmtree(folder)


@pytest.fixture
def ours() -> Iterator[Lxd]:
    lxd = find_lxd()
    yield lxd
    if (found := lxd.find(f"/1.0/networks/{SITE.bridge}")) and found["managed"]:
        lxd.query(f"/1.0/networks/{SITE.bridge}", "DELETE")
    subprocess.run(["ip", "link", "delete", SITE.bridge], capture_output=True, check=False)


@pytest.mark.alone
def test_a_bridge_of_a_living_daemon_is_refused_and_that_of_a_dead_one_is_cleared(
    other: tuple[Lxd, Daemon], ours: Lxd
) -> None:
    theirs, daemon = other
    network.ensure(theirs, SITE, silent)
    with pytest.raises(Refused, match="belongs to another LXD") as error:
        network.ensure(ours, SITE, silent)
    assert error.value.where == str(theirs.folder)
    [left] = network.dnsmasq_of(SITE.bridge)

    assert daemon.stop(sign=signal.SIGKILL)
    assert network.dnsmasq_of(SITE.bridge) == [left], "a killed daemon leaves its dnsmasq, or this test proves little"
    network.ensure(ours, SITE, silent)
    assert command_line(left) == []
    assert ours.query(f"/1.0/networks/{SITE.bridge}")["managed"]
    assert len(network.dnsmasq_of(SITE.bridge)) == 1
