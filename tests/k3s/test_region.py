"""A region with ``runtime: k3s``, by the command line alone. The tests build on one another, top to bottom."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from collections.abc import Iterator

import pytest

from tests.k3s import build
from tests.k3s.bed import HELLO
from tests.k3s.region_bed import K3sBed, standing, wait_for
from tests.region.conftest import kill_group, lxc

pytestmark = pytest.mark.lxd

_APP = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "hello"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "hello"}},
        "template": {
            "metadata": {"labels": {"app": "hello"}},
            "spec": {
                "enableServiceLinks": False,
                "topologySpreadConstraints": [
                    {
                        "maxSkew": 1,
                        "topologyKey": "kubernetes.io/hostname",
                        "whenUnsatisfiable": "ScheduleAnyway",
                        "labelSelector": {"matchLabels": {"app": "hello"}},
                    }
                ],
                "containers": [{"name": "hello", "image": f"{HELLO}:v1"}],
            },
        },
    },
}


@pytest.fixture(scope="module")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[K3sBed]:
    with standing(K3sBed(tmp_path_factory.mktemp("fleet")), up=False) as made:
        yield made


def test_a_controller_that_is_killed_while_the_first_server_starts_goes_on(bed: K3sBed) -> None:
    process = bed.start("region", "up", "home")
    wait_for(process, "K3s starts as a server")
    kill_group(process)
    began = time.monotonic()
    done = bed.run("region", "up", "home", "--output", "json", timeout=600)
    assert done.returncode == 0, done.stderr
    print(f"up after the kill: {time.monotonic() - began:.1f} s, {json.loads(done.stdout)['seconds']}")
    assert bed.ready() == {bed.node(1): True}


def test_du_node_has_credentials_of_its_own_that_may_little(bed: K3sBed) -> None:
    assert bed.sh(1, "stat -c %a /var/lib/du-node/kube.json").stdout.strip() == "600"
    kept = json.loads(bed.sh(1, "cat /var/lib/du-node/kube.json").stdout)
    assert kept["server"] == "https://127.0.0.1:6443"
    asked = "-o /dev/null -w '%{http_code}' --cacert /tmp/ca -H @/tmp/head https://127.0.0.1:6443"
    files = f"umask 077; printf '%s' '{kept['ca']}' >/tmp/ca; echo 'Authorization: Bearer {kept['token']}' >/tmp/head"
    assert bed.sh(1, files).returncode == 0
    assert bed.sh(1, f"curl -s {asked}/api/v1/namespaces/du-infra/pods").stdout == "200"
    assert bed.sh(1, f"curl -s {asked}/api/v1/namespaces/kube-system/secrets").stdout == "403"
    bed.sh(1, "rm /tmp/ca /tmp/head")


def test_again_nothing_is_changed_and_the_status_says_what_is_survived(bed: K3sBed) -> None:
    before = bed.begun(), bed.sh(1, "systemctl show k3s -p ActiveEnterTimestamp").stdout
    done = bed.run("region", "up", "home", "--output", "json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    print(told["seconds"])
    assert (told["changed_tasks"], told["deployed"]) == (0, False)
    assert (bed.begun(), bed.sh(1, "systemctl show k3s -p ActiveEnterTimestamp").stdout) == before
    status = bed.region.status()
    assert status.why == ()
    assert status.ready
    assert status.survives.startswith("control plane: one server: a reboot or a crash heals")


def test_the_kubeconfig_works_from_outside_and_is_its_owners_alone(bed: K3sBed) -> None:
    out = bed.folder / "kubeconfig"
    done = bed.run("region", "kubeconfig", "home", "--output-file", str(out))
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    argv = [str(build.binary()), "kubectl", "--kubeconfig", str(out), "get", "nodes", "-o", "name"]
    told = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert told.stdout.strip() == f"node/{bed.node(1)}", told.stderr


def test_a_second_node_joins_though_the_controller_is_killed_on_the_way(bed: K3sBed) -> None:
    cluster = bed.begun()
    bed.kubectl("apply -f -", json.dumps(_APP))
    process = bed.start("region", "scale", "home", "2", "--yes")
    wait_for(process, "K3s starts as an agent")
    kill_group(process)
    done = bed.run("region", "up", "home", "--output", "json", timeout=600)
    assert done.returncode == 0, done.stderr
    assert bed.ready() == {bed.node(1): True, bed.node(2): True}
    assert bed.begun() == cluster
    told = json.loads(bed.kubectl("get nodes -o json"))["items"]
    roles = {n["metadata"]["name"]: "node-role.kubernetes.io/control-plane" in n["metadata"]["labels"] for n in told}
    assert roles == {bed.node(1): True, bed.node(2): False}
    assert "when the agent is lost its pods start elsewhere" in bed.region.status().survives
    config = json.loads(bed.sh(2, "cat /etc/rancher/k3s/config.yaml").stdout)
    assert "::server:" not in config["token"], "an agent never gets the servers' token"


def test_the_server_is_not_let_go(bed: K3sBed) -> None:
    """It can be replaced: see test_three_servers."""
    done = bed.run("node", "remove", bed.node(1), "--yes")
    assert done.returncode == 4
    assert "the cluster's only server" in done.stderr
    assert [n.state for n in bed.region.nodes()] == ["", ""]


def test_the_agent_leaves_though_the_controller_is_killed_on_the_way(bed: K3sBed) -> None:
    bed.kubectl("delete deployment hello --wait")
    bed.kubectl("apply -f -", json.dumps(_APP))
    bed.kubectl("rollout status deployment/hello --timeout=90s")
    process = bed.start("region", "scale", "home", "1", "--yes")
    wait_for(process, "drain: it leaves")
    kill_group(process)
    assert bed.instances() == [bed.node(1), bed.node(2)]
    done = bed.run("region", "up", "home", timeout=600)
    assert done.returncode == 0, done.stderr
    assert bed.ready() == {bed.node(1): True}
    assert bed.passwords() == [bed.node(1)]
    assert bed.instances() == [bed.node(1)]
    bed.kubectl("rollout status deployment/hello --timeout=90s")
    where = bed.kubectl("get pods -l app=hello -o jsonpath='{.items[*].spec.nodeName}'").split()
    assert {*where} == {bed.node(1)}
    bed.kubectl("delete deployment hello --wait")


def test_another_machine_by_a_used_name_is_refused_in_words(bed: K3sBed) -> None:
    """The name of the node that comes next is taken, as by a machine that somebody joined by hand."""
    number = bed.counter() + 1
    name = bed.node(number)
    secret = f"{name}.node-password.k3s"
    bed.kubectl(f"create secret generic {secret} -n kube-system --from-literal=hash=1:2:3:4")
    done = bed.run("region", "scale", "home", "2", "--yes", timeout=600)
    assert done.returncode == 6, done.stderr
    assert "a name that another machine had" in done.stderr
    assert "node replace" in done.stderr
    token = bed.sh(1, "k3s token create --ttl 10m").stdout.strip()
    address = next(n.address for n in bed.region.nodes() if n.name == bed.node(1))
    order = {"role": "agent", "server": f"https://{address}:6443", "token": token, "seconds": 90}
    tried = bed.sh(number, "du-node k3s join", json.dumps(order))
    assert tried.returncode == 5, tried.stdout
    assert "another machine has joined this cluster by this node's name" in tried.stdout
    assert token not in tried.stdout + tried.stderr
    other = f"{token[:-1]}{'1' if token.endswith('0') else '0'}"
    wrong = bed.sh(number, "du-node k3s join", json.dumps({**order, "token": other}))
    assert "does not accept the token" in wrong.stdout
    state = json.loads(bed.sh(number, "du-node k3s state").stdout)
    assert (state["role"], state["service"]) == ("", "stopped")
    done = bed.run("node", "replace", name, "--yes", timeout=600)
    assert done.returncode == 0, done.stderr
    assert bed.ready() == {bed.node(1): True, bed.node(bed.counter()): True}
    assert bed.passwords() == [bed.node(1), bed.node(bed.counter())]


def test_an_agent_that_dies_is_taken_out_of_the_cluster(bed: K3sBed) -> None:
    lxc("stop", "--force", bed.node(bed.counter()))
    done = bed.run("node", "remove", bed.node(bed.counter()), "--yes", timeout=600)
    assert done.returncode == 0, done.stderr
    assert bed.ready() == {bed.node(1): True}
    assert bed.passwords() == [bed.node(1)]


def test_after_a_reboot_the_region_is_as_it_was(bed: K3sBed) -> None:
    cluster = bed.begun()
    done = bed.run("node", "reboot", bed.node(1), "--yes", timeout=600)
    assert done.returncode == 0, done.stderr
    done = bed.run("region", "up", "home", timeout=600)
    assert done.returncode == 0, done.stderr
    assert (bed.begun(), bed.ready()) == (cluster, {bed.node(1): True})
