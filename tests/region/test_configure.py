"""The playbook on a real node: one machine of this module's own, made from the local cloud's image by lxc."""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from du_infra.engines import ssh, zipapp
from du_infra.engines.ansible import Outcome, run_playbook
from du_infra.errors import EngineFailed, Refused
from du_infra.pool.lxd import LxdProvider
from du_infra.progress import silent
from tests.region.gaps import Gaps

pytestmark = pytest.mark.lxd


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


def lxc(*arguments: str) -> str:
    done = subprocess.run(["lxc", *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def free_addresses(provider: LxdProvider) -> list[str]:
    """Two addresses that no machine has, somewhere in 198.18.200.0/24."""
    taken = {address for machine in provider.machines() for address in machine.addresses}
    start = 2 + secrets.randbelow(100)
    pool = (str(IPv4Address("198.18.200.0") + start + n) for n in range(150))
    return [address for address in pool if address not in taken][:2]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has been configured once."""
    folder = tmp_path_factory.mktemp("configure")
    provider = LxdProvider()
    provider.prepare(silent)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / "id")], check=True)
    address, vip = free_addresses(provider)
    name = f"dtest-{secrets.token_hex(3)}"
    try:
        start(provider, name, address, (folder / "id.pub").read_text().strip())
        (folder / "known_hosts").write_text(f"{name} {provider.host_key(name)}\n")
        target = ssh.Target(name, address, folder / "id", folder / "known_hosts")
        wait_for_ssh(target)
        made = Node(target, vip, folder, variables(provider, vip, folder))
        made.configure()
        yield made
        ssh.close(target)
    finally:
        subprocess.run(["lxc", "delete", "-f", name], capture_output=True, check=False)


def start(provider: LxdProvider, name: str, address: str, key: str) -> None:
    site = provider.site
    user_data = f'#cloud-config\nlocale: false\ndisable_root: false\nssh_authorized_keys: ["{key}"]\n'
    options = ["limits.cpu=1", "limits.memory=1GiB", "security.nesting=true", "security.privileged=true"]
    words = [word for option in options for word in ("-c", option)]
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


def connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=1.5).close()
    except OSError:
        return False
    return True


def ask(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def connections(address: str) -> Gaps:
    """How long port 80 of an address takes no connection."""
    return Gaps(lambda: socket.create_connection((address, 80), timeout=0.3).close())


def test_a_second_run_changes_nothing(node: Node) -> None:
    assert node.configure().changed == 0


def test_the_vip_answers_before_anything_is_released(node: Node) -> None:
    status, body = ask(f"http://{node.vip}/")
    assert status == 503
    assert body["ready"] is False


def test_everything_runs_and_starts_at_boot(node: Node) -> None:
    units = ["containerd", "nginx", "keepalived", "du-node", "du-firewall"]
    assert node.run("systemctl", "is-active", *units).split() == ["active"] * len(units)
    assert node.run("systemctl", "is-enabled", *units).split() == ["enabled"] * len(units)
    assert node.run("systemctl", "--failed", "--no-legend").strip() == ""


def test_du_node_says_that_the_node_is_configured_and_names_what_drifted(node: Node) -> None:
    assert json.loads(node.run("du-node", "status"))["configured"] == {"hash": "0123456789abcdef", "drift": []}
    node.run("sh", "-c", "echo '# by hand' >>/etc/nginx/nginx.conf")
    assert json.loads(node.run("du-node", "status"))["configured"]["drift"] == ["/etc/nginx/nginx.conf"]
    assert node.configure().changed > 0
    assert json.loads(node.run("du-node", "status"))["configured"]["drift"] == []


def test_drift_is_mended_and_then_there_is_nothing_left_to_do(node: Node) -> None:
    node.run("rm", "/etc/ssh/sshd_config.d/00-du-infra.conf")
    node.run("systemctl", "disable", "-q", "--now", "nginx")
    node.run("nft", "delete", "table", "inet", "du_infra")
    node.configure()
    assert node.run("systemctl", "is-active", "nginx").strip() == "active"
    assert node.run("systemctl", "is-enabled", "nginx").strip() == "enabled"
    assert "policy drop" in node.run("nft", "list", "table", "inet", "du_infra")
    assert "passwordauthentication no" in node.run("sshd", "-T")
    assert node.configure().changed == 0


def test_a_restart_that_a_killed_run_still_owed_is_made_up_for(node: Node) -> None:
    before = node.run("systemctl", "show", "-P", "MainPID", "containerd")
    old = "/usr/local/lib/du-node/du-node-000000000000.pyz"  # so is an earlier program that was not removed
    node.run("touch", "/etc/containerd/config.toml", old)
    assert node.configure().changed == 2
    assert old not in (programs := node.run("sh", "-c", "ls -d /usr/local/lib/du-node/*").split())
    assert len(programs) == 1
    assert node.run("systemctl", "show", "-P", "MainPID", "containerd") != before


def test_the_firewall_lets_in_what_it_should_and_nothing_else(node: Node) -> None:
    node.run("systemd-run", "-q", "--unit=dtest-http", "python3", "-m", "http.server", "8123")
    try:
        deadline = time.monotonic() + 10
        probe = "import socket; socket.create_connection(('127.0.0.1', 8123), 1)"
        while subprocess.run(["lxc", "exec", node.target.name, "--", "python3", "-c", probe], check=False).returncode:
            assert time.monotonic() < deadline, "the test's own server does not start"
        assert connects(node.target.address, 80)
        assert connects(node.target.address, 22)
        assert not connects(node.target.address, 8123)
    finally:
        node.run("systemctl", "stop", "dtest-http")


def test_other_tables_outlive_a_reload_of_ours(node: Node) -> None:
    node.run("nft", "add", "table", "ip", "dtest_other")
    node.run("touch", "/etc/nftables/du-infra.nft")
    assert node.configure().changed == 1
    assert "dtest_other" in node.run("nft", "list", "tables")
    node.run("nft", "delete", "table", "ip", "dtest_other")


def test_an_admin_list_that_would_lock_us_out_is_refused_before_it_is_loaded(node: Node) -> None:
    with pytest.raises(EngineFailed, match="would lock du-infra out") as caught:
        node.configure(du_admin_cidrs=["203.0.113.0/24"])
    assert caught.value.where == node.target.name
    assert connects(node.target.address, 22)
    assert "203.0.113" not in node.run("nft", "list", "ruleset")


def test_a_password_is_not_even_asked_for(node: Node) -> None:
    command = ["ssh", "-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    command += ["-o", "PubkeyAuthentication=no", "-o", "BatchMode=yes", f"root@{node.target.address}", "true"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 255
    assert "Permission denied (publickey)" in done.stderr


def test_a_node_with_another_host_key_is_refused_by_ssh_and_by_ansible_alike(node: Node) -> None:
    other = node.folder / "other_known_hosts"
    other.write_text(f"{node.target.name} {(node.folder / 'id.pub').read_text()}")
    stranger = ssh.Target(node.target.name, node.target.address, node.target.key_file, other)
    with pytest.raises(Refused, match="not the one that is pinned"):
        ssh.run(stranger, ["true"])
    with pytest.raises(Refused, match="not the one that is pinned"):
        run_playbook("configure.yml", [stranger], node.variables, {}, node.folder / "ansible", silent)


def test_what_du_node_wrote_for_the_gateway_is_left_alone(node: Node) -> None:
    before = node.run("cat", "/etc/nginx/conf.d/du.conf")
    node.run("sh", "-c", "echo '# routes' >>/etc/nginx/conf.d/du.conf")
    assert node.configure().changed == 0
    assert node.run("cat", "/etc/nginx/conf.d/du.conf") == f"{before}# routes\n"


def test_another_gateway_takes_over_and_the_first_one_comes_back(node: Node) -> None:
    node.configure(du_gateway="envoy")
    assert node.configure(du_gateway="envoy").changed == 0
    assert node.run("sh", "-c", "systemctl is-active envoy; systemctl is-enabled nginx || true").split() == [
        "active",
        "disabled",
    ]
    assert ask(f"http://{node.vip}/")[0] == 503
    assert json.loads(node.run("du-node", "status"))["gateway"]["kind"] == "envoy"
    node.configure()
    assert node.run("sh", "-c", "systemctl is-active nginx; systemctl is-enabled envoy || true").split() == [
        "active",
        "disabled",
    ]
    assert ask(f"http://{node.vip}/")[0] == 503


def test_other_nodes_come_and_go_without_a_restart_and_the_address_stays(node: Node) -> None:
    wanted = {"version": 1, "fleet": "dtest", "region": "home", "node": "n", "config": "c", "services": []}
    node.run(
        "sh", "-c", f"echo '{json.dumps(wanted)}' | du-node apply"
    )  # beside others it must have been asked something
    units = ["containerd", "nginx", "keepalived", "du-node"]
    before = node.run("systemctl", "show", "-P", "MainPID", *units)
    with connections(node.vip) as held:
        other = {"name": "dtest-other", "address": "198.18.200.1"}
        assert node.configure(du_peers=[other["address"]], du_peer_nodes=[other]).changed > 0
        time.sleep(2)
        assert "198.18.200.1" in node.run("nft", "list", "table", "inet", "du_infra")
        told = json.loads(node.run("du-node", "status"))
        assert ([peer["name"] for peer in told["peers"]], told["vip"]) == (["dtest-other"], True)
        assert node.configure().changed > 0
        time.sleep(2)
        assert json.loads(node.run("du-node", "status"))["peers"] == []
    assert held.longest < 1.0
    assert node.run("systemctl", "show", "-P", "MainPID", *units) == before
