"""A machine of a test's own that Ansible configures with the variables that the control layer would give it."""

from __future__ import annotations

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from du_infra.engines import ssh, zipapp
from du_infra.engines.ansible import Outcome, run_playbook
from du_infra.pool.lxd import LxdProvider
from du_infra.progress import silent
from tests.region.conftest import lxc
from tests.region.machine import SETTINGS, remove


@dataclass
class Node:
    """A node, and the variables that the control layer would give it."""

    target: ssh.Target
    vip: str
    folder: Path
    variables: dict[str, Any]

    def configure(self, **changes: object) -> Outcome:
        """Run the playbook with the node's variables, some of them changed."""
        variables = {**self.variables, **changes}
        return run_playbook("configure.yml", [self.target], variables, {}, self.folder / "ansible", silent)

    def run(self, *argv: str) -> str:
        """Run a command inside, through LXD; its output."""
        return lxc("exec", self.target.name, "--", *argv)


def free_addresses(provider: LxdProvider) -> list[str]:
    """Two addresses that no machine has, somewhere in 198.18.200.0/24."""
    taken = {address for machine in provider.machines() for address in machine.addresses}
    start = 2 + secrets.randbelow(100)
    pool = (str(IPv4Address("198.18.200.0") + start + n) for n in range(150))
    return [address for address in pool if address not in taken][:2]


@contextmanager
def machine(folder: Path, runtime: str = "containerd", **more: object) -> Iterator[Node]:
    """A node on which nothing was configured yet; ``more`` variables are what it is told besides. Gone at the end."""
    provider = LxdProvider(runtime=runtime)
    provider.prepare(silent)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id")], check=True)
    address, vip = free_addresses(provider)
    name = f"dtest-{secrets.token_hex(3)}"
    try:
        start(provider, name, address, (folder / "id.pub").read_text().strip())
        (folder / "known_hosts").write_text(f"{name} {provider.host_key(name)}\n")
        target = ssh.Target(name, address, folder / "id", folder / "known_hosts")
        wait_for_ssh(target)
        told = {**variables(provider, vip, folder), "du_runtime": runtime, "du_address": address, **more}
        yield Node(target, vip, folder, told)
        ssh.close(target)
    finally:
        remove(name)


def start(provider: LxdProvider, name: str, address: str, key: str) -> None:
    site = provider.site
    user_data = f'#cloud-config\nlocale: false\ndisable_root: false\nssh_authorized_keys: ["{key}"]\n'
    words = [word for option in (*SETTINGS, "limits.memory=1GiB") for word in ("-c", option)]
    lxc("init", provider.recipe.alias, name, "-q", "-s", site.pool, "-n", site.bridge, *words)
    lxc("config", "set", name, f"cloud-init.user-data={user_data}")
    lxc("config", "device", "set", name, "eth0", f"ipv4.address={address}")
    lxc("start", name)


def variables(provider: LxdProvider, vip: str, folder: Path) -> dict[str, Any]:
    return {
        "du_fleet": "dtest",
        "du_region": "home",
        "du_vip": f"{vip}/{provider.network().prefix}",
        "du_vrid": 200,
        "du_priority": 100,
        "du_peers": [],
        "du_peer_nodes": [],
        "du_interface": "eth0",
        "du_gateway": "nginx",
        "du_runtime": "containerd",
        "du_admin_cidrs": list(provider.network().admin),
        "du_config_hash": "0123456789abcdef",
        "du_node_zipapp": str(zipapp.build(folder)[0]),
        "du_registries": [{"host": r.host, "url": r.url, "plain_http": r.plain_http} for r in provider.registries()],
    }


def wait_for_ssh(target: ssh.Target) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection((target.address, 22), timeout=1).close()
            if ssh.run(target, ["true"]).rc == 0:
                return
        except Exception:  # not there yet: the deadline decides
            time.sleep(0.2)
    pytest.fail(f"{target.name} does not take SSH")
