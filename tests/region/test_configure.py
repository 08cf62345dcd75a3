"""The playbook on a real node: one machine of this module's own, made from the local cloud's image by lxc."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from du_infra.engines import ssh
from du_infra.engines.ansible import run_playbook
from du_infra.errors import EngineFailed, Refused
from du_infra.progress import silent
from tests.region.ansible_bed import Node, machine
from tests.region.gaps import Gaps

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that has been configured once."""
    with machine(tmp_path_factory.mktemp("configure")) as made:
        made.configure()
        yield made


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
