"""The roles of K3s on a real node: what they lay down is a server as soon as somebody starts it, and not before."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_infra.errors import EngineFailed
from tests.k3s import build, release
from tests.k3s.bed import HELLO
from tests.region.ansible_bed import Node, machine
from tests.region.test_configure import connects

pytestmark = pytest.mark.lxd

_PROGRAM = "/usr/local/bin/k3s"
_NEXT = "/usr/local/lib/du-infra/k3s-next"
_PORT = 20080
_UNITS = ("k3s", "k3s-agent", "containerd")
_APP: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "hello", "labels": {"app": "hello"}},
            "spec": {
                "enableServiceLinks": False,
                "containers": [{"name": "hello", "image": f"{HELLO}:v1"}],
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hello"},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "hello"},
                "ports": [{"port": 8080, "nodePort": _PORT}],
            },
        },
    ],
}


def told(folder: Path, version: str = "") -> dict[str, Any]:
    """What the roles are told of a release in ``folder``."""
    of = {"version": version or build.version(), "folder": str(folder)}
    return {**of, "flannel": "host-gw", "metrics_server": False}


def sh(node: Node, script: str) -> str:
    return node.run("sh", "-c", script)


def kubectl(node: Node, words: str) -> str:
    return sh(node, f"k3s kubectl {words}")


def may(node: Node, words: str) -> bool:
    """Whether du-node's account may do this."""
    who = "--as=system:serviceaccount:du-infra:du-node"
    return kubectl(node, f"auth can-i {words} {who} || true").strip() == "yes"


def until(what: str, seconds: float, met: Any) -> None:
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, what
        time.sleep(0.3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return release.release(tmp_path_factory.mktemp("release") / "k3s")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[Node]:
    """A node without K3s."""
    with machine(tmp_path_factory.mktemp("roles"), "k3s", du_k3s=told(folder)) as made:
        yield made


@pytest.fixture(scope="module")
def node(fresh: Node) -> Node:
    """A node that has been configured once."""
    began = time.monotonic()
    fresh.configure()
    print(f"configured in {time.monotonic() - began:.1f} s")
    return fresh


@pytest.fixture(scope="module")
def server(node: Node) -> Node:
    """The same, with K3s started by hand as a server."""
    sh(node, "ln -s /usr/local/lib/du-infra/k3s-server.yaml /etc/rancher/k3s/config.yaml.d/20-server.yaml")
    node.run("systemctl", "start", "--no-block", "k3s")
    until(
        "K3s does not come up: " + sh(node, "journalctl -u k3s -n 40 --no-pager -o cat"),
        120,
        lambda: sh(node, "systemctl is-active k3s || true").strip() == "active",
    )
    ready = "get nodes -o jsonpath='{.items[*].status.conditions[?(@.type==\"Ready\")].status}'"
    until("not Ready", 60, lambda: kubectl(node, ready).strip() == "True")
    return node


def test_a_file_that_the_checksums_do_not_know_is_refused_before_anything_is_installed(
    fresh: Node, folder: Path, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(folder, wrong, copy_function=lambda source, target: Path(target).symlink_to(source))
    lists = wrong / f"sha256sum-{release.architecture()}.txt"
    text = lists.read_text()
    lists.unlink()
    lists.write_text("".join(f"{'0' * 64}{line[64:]}\n" for line in text.splitlines()))
    with pytest.raises(EngineFailed, match="See that the files are the right ones") as caught:
        fresh.configure(du_k3s=told(wrong))
    assert f"{wrong}/{release.program_name()}: is not the file that {lists.name} says" in caught.value.detail
    assert sh(fresh, f"ls -d {_PROGRAM} {_NEXT} /etc/rancher 2>/dev/null || true") == ""


def test_a_program_of_another_version_is_refused_before_it_is_in_its_place(fresh: Node, folder: Path) -> None:
    with pytest.raises(EngineFailed, match=r"fleet\.yaml asks for v1\.34\.1\+k3s1") as caught:
        fresh.configure(du_k3s=told(folder, "v1.34.1+k3s1"))
    assert f"is K3s {build.version()}" in caught.value.detail
    assert sh(fresh, f"ls -d {_PROGRAM} /etc/rancher 2>/dev/null || true") == ""


def test_k3s_is_installed_and_nothing_of_it_runs(node: Node) -> None:
    assert sh(node, "k3s --version").split()[2] == build.version()
    assert sh(node, "stat -c '%a %U' /usr/local/bin/k3s").split() == ["755", "root"]
    assert sh(node, "readlink /usr/local/bin/kubectl /usr/local/bin/crictl /usr/local/bin/ctr").split() == ["k3s"] * 3
    for unit in _UNITS:
        assert sh(node, f"systemctl is-active {unit} || true; systemctl is-enabled {unit} || true").split() == [
            "inactive",
            "disabled",
        ]
    assert sh(node, "systemctl --failed --no-legend").strip() == ""
    assert sh(node, f"ls {_NEXT} 2>/dev/null || true") == ""


def test_what_is_not_everybodys_business_is_for_root_alone(node: Node) -> None:
    modes = sh(
        node,
        "stat -c %a /etc/rancher/k3s/config.yaml.d/10-du-infra.yaml /usr/local/lib/du-infra/k3s-server.yaml"
        " /etc/rancher/k3s/registries.yaml /etc/default/k3s /var/lib/rancher/k3s/server"
        " /var/lib/rancher/k3s/server/manifests/du-infra.yaml",
    )
    assert modes.split() == ["600", "600", "600", "600", "700", "600"]


def test_a_second_run_changes_nothing_and_du_node_sees_no_drift(node: Node) -> None:
    assert node.configure().changed == 0
    assert json.loads(node.run("du-node", "status"))["configured"] == {"hash": "0123456789abcdef", "drift": []}


def test_a_copy_that_a_killed_run_left_is_taken_up(node: Node) -> None:
    sh(node, f"cp {_PROGRAM} {_NEXT}; rm {_PROGRAM}")
    node.configure()
    assert sh(node, f"k3s --version; ls {_NEXT} 2>/dev/null || true").split()[2] == build.version()
    assert node.configure().changed == 0


def test_once_started_it_is_a_server_with_what_the_roles_say(server: Node) -> None:
    name = server.target.name
    (found,) = json.loads(kubectl(server, "get nodes -o json"))["items"]
    assert found["metadata"]["name"] == name
    assert {"type": "InternalIP", "address": server.target.address} in found["status"]["addresses"]
    assert found["spec"]["podCIDR"].startswith("198.19.")
    kubelet = json.loads(kubectl(server, f"get --raw /api/v1/nodes/{name}/proxy/configz"))["kubeletconfig"]
    assert kubelet["maxPods"] == 60
    assert kubelet["kubeReserved"] == {"cpu": "100m", "memory": "256Mi"}
    assert kubelet["evictionHard"]["memory.available"] == "50Mi"
    assert kubelet["shutdownGracePeriod"] == "30s"
    assert kubelet["nodeLeaseDurationSeconds"] == 16
    assert kubelet["failSwapOn"] is False  # ours adds to K3s's own
    assert "kubelet" in sh(server, "systemd-inhibit --list --no-legend || true")
    assert sh(server, "stat -c %a /etc/rancher/k3s/k3s.yaml").strip() == "600"
    assert "GOMEMLIMIT=576MiB" in sh(server, "tr '\\0' '\\n' </proc/$(systemctl show -P MainPID k3s)/environ")


def test_du_node_has_an_account_with_rights_in_its_namespace_and_no_other(server: Node) -> None:
    secret = "get secret du-node-token -n du-infra -o jsonpath={.data.token} --ignore-not-found"
    until("no token", 30, lambda: kubectl(server, secret))
    for allowed in (
        *(f"{verb} {what} -n du-infra" for verb in ("create", "update", "delete") for what in ("deployments", "pods")),
        *(f"get {what} -n du-infra" for what in ("services", "secrets", "poddisruptionbudgets")),
        *("get pods --subresource=log -n du-infra", "list nodes", "get nodes", "get /readyz"),
    ):
        assert may(server, allowed), allowed
    for refused in (
        *("delete nodes", "update nodes", "list secrets -A", "get secrets -n kube-system", "create pods -n default"),
        *("create namespaces", "create rolebindings -n du-infra", "create pods --subresource=exec -n du-infra"),
        "list pods -A",
    ):
        assert not may(server, refused), refused


def test_a_pod_runs_and_is_reached_on_the_node_and_not_from_outside(server: Node) -> None:
    sh(server, f"echo '{json.dumps(_APP)}' | k3s kubectl apply -f -")
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' http://127.0.0.1:{_PORT}/readyz || true"
    until("hello does not answer", 60, lambda: sh(server, ask) == "200")
    assert not connects(server.target.address, _PORT)
    assert not connects(server.target.address, 10250)
    assert not connects(server.target.address, 2379)
    (address,) = kubectl(server, "get svc kubernetes -o jsonpath={.spec.clusterIP}").split()
    inside = "nsenter -n -t $(pgrep -x pause | head -1)"
    assert "198.19." in sh(server, f"{inside} ip -4 address show eth0")
    # The API answers a pod; this one has no credentials.
    assert sh(server, f"{inside} curl -ks -m 5 -o /dev/null -w '%{{http_code}}' https://{address}/readyz") == "401"


def test_a_run_beside_a_k3s_that_runs_changes_nothing_and_restarts_nothing(server: Node) -> None:
    before = sh(server, "systemctl show -P MainPID k3s")
    assert server.configure().changed == 0
    assert sh(server, "systemctl show -P MainPID k3s") == before
    assert json.loads(server.run("du-node", "status"))["configured"]["drift"] == []


def test_another_build_waits_while_k3s_is_in_use(server: Node, folder: Path, tmp_path: Path) -> None:
    before = sh(server, f"systemctl show -P MainPID k3s; sha256sum {_PROGRAM}")
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    with (other / release.program_name()).open("ab") as program:
        program.write(b"\n")
    release.sums(other)
    assert server.configure(du_k3s=told(other)).changed == 1
    assert server.configure(du_k3s=told(other)).changed == 0
    assert sh(server, f"systemctl show -P MainPID k3s; sha256sum {_PROGRAM}") == before
    assert sh(server, f"{_NEXT} --version").split()[2] == build.version()
