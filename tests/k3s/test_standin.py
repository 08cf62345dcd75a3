"""The stand-in for K3s keeps K3s's contract: its files, its tokens, its refusals, and real pods on real nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

import pytest

from tests.k3s import bed, build

pytestmark = pytest.mark.lxd

_PORT = 30080
_APP = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "hello"},
            "spec": {
                "replicas": 1,
                "selector": {"matchLabels": {"app": "hello"}},
                "template": {
                    "metadata": {"labels": {"app": "hello"}},
                    "spec": {
                        "automountServiceAccountToken": False,
                        "enableServiceLinks": False,  # Else the Service sets HELLO_PORT, which is the program's own.
                        "containers": [
                            {
                                "name": "hello",
                                "image": f"{bed.HELLO}:v1",
                                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1},
                            }
                        ],
                    },
                },
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "hello"},
            "spec": {
                "type": "NodePort",
                "selector": {"app": "hello"},
                "ports": [{"port": 80, "targetPort": 8080, "nodePort": _PORT}],
            },
        },
    ],
}


@pytest.fixture(scope="module")
def pair() -> Iterator[list[bed.Node]]:
    """Two nodes with the stand-in, on which nothing runs yet."""
    with bed.nodes(2) as made:
        yield made


@pytest.fixture(scope="module")
def server(pair: list[bed.Node]) -> bed.Node:
    node = pair[0]
    node.put("/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/10-test.conf", _kubelet(maxPods=23))
    node.configure("server", node_label=["tier=front"], tls_san=["api.test"], write_kubeconfig_mode="0640")
    print(f"server: up after {node.start('server'):.1f} s")
    print(f"server: Ready {node.wait_ready(node.name):.1f} s later")
    return node


@pytest.fixture(scope="module")
def agent(pair: list[bed.Node], server: bed.Node) -> bed.Node:
    node = pair[1]
    token = server.run("cat /var/lib/rancher/k3s/server/node-token").strip()
    node.configure("agent", server=f"https://{server.address}:6443", token=token)
    print(f"agent: up after {node.start('agent'):.1f} s")
    print(f"agent: Ready {server.wait_ready(node.name):.1f} s later")
    return node


def test_an_unknown_key_is_an_error(pair: list[bed.Node]) -> None:
    node = pair[1]
    node.put("/tmp/config.yaml", "tokn: x\n")
    done = node.sh("k3s server --config /tmp/config.yaml", timeout=20)
    assert done.returncode == 1
    assert 'unknown key \\"tokn\\"' in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("server --cluster-reset", "cluster-reset where there is no etcd: not in the stand-in"),
        ("server --cluster-reset --server https://192.0.2.1:6443 --token x", "while server URL is set"),
        ("server --cluster-reset --cluster-reset-restore-path /none --token x", "snapshot path does not exist: /none"),
        ("server --node-prot 1", "flag provided but not defined: -node-prot"),
        ("server --https-listen-port x", "is no number"),
        ("agent --service-cidr 198.19.128.0/20", "is a key of servers"),
        ("agent --token x", "--server is required"),
        ("agent --server https://192.0.2.1:6443", "--token is required"),
        ("etcd-snapshot save", "etcd datastore disabled"),
    ],
)
def test_what_it_cannot_do_is_refused_in_words(pair: list[bed.Node], words: str, said: str) -> None:
    done = pair[1].sh(f"k3s {words}", timeout=20)
    assert done.returncode == 1
    assert said in done.stderr


def test_drop_ins_of_the_configuration_are_read_in_order(pair: list[bed.Node]) -> None:
    node = pair[1]
    node.put("/tmp/c.yaml", "server: http://a\ntoken: x\n")
    node.put("/tmp/c.yaml.d/10-b.yaml", "server: http://b\n")
    assert "invalid scheme: http://b" in node.sh("k3s agent --config /tmp/c.yaml", timeout=20).stderr
    assert "invalid scheme: http://c" in node.sh("k3s agent -c /tmp/c.yaml --server http://c", timeout=20).stderr


def test_the_server_gets_ready_and_is_what_was_asked_for(server: bed.Node) -> None:
    (node,) = server.objects("nodes")["items"]
    assert node["status"]["nodeInfo"]["kubeletVersion"] == build.version()
    assert node["metadata"]["labels"]["tier"] == "front"
    assert node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] == "true"
    assert node["status"]["capacity"]["pods"] == "23"
    assert node["spec"]["podCIDR"].startswith("198.19.")
    assert server.run("k3s --version").startswith(f"k3s version {build.version()}")


def test_the_files_of_a_server_are_where_k3s_has_them(server: bed.Node) -> None:
    assert server.run("stat -c %a /etc/rancher/k3s/k3s.yaml").strip() == "640"
    assert server.run("stat -c %a /var/lib/rancher/k3s/server/token").strip() == "600"
    token = server.run("cat /var/lib/rancher/k3s/server/token").strip()
    digest = server.run("sha256sum /var/lib/rancher/k3s/server/tls/server-ca.crt").split()[0]
    assert token.startswith(f"K10{digest}::server:")
    secrets = server.objects("secrets", "-n", "kube-system")["items"]
    assert f"{server.name}.node-password.k3s" in [one["metadata"]["name"] for one in secrets]


def test_without_credentials_only_ping_and_the_authority_are_told(server: bed.Node) -> None:
    url = f"https://{server.address}:6443"
    assert server.run(f"curl -ks {url}/ping") == "pong"
    assert "BEGIN CERTIFICATE" in server.run(f"curl -ks {url}/cacerts")
    for path in ("/readyz", "/v1-k3s/config", "/v1-k3s/apiservers"):
        assert server.run(f"curl -ks -o /dev/null -w '%{{http_code}}' {url}{path}") == "401"
    assert server.kubectl("get", "--raw", "/readyz") == "ok"


def test_a_name_of_tls_san_is_in_the_certificate(server: bed.Node) -> None:
    resolved = f"--resolve api.test:6443:{server.address} --cacert /var/lib/rancher/k3s/server/tls/server-ca.crt"
    assert server.run(f"curl -s {resolved} https://api.test:6443/ping") == "pong"


def test_a_pod_answers_through_its_nodeport(server: bed.Node) -> None:
    server.kubectl("apply", "-f", "-", stdin=json.dumps(_APP))
    assert "version v1" in _await_hello(server.address)
    assert "version v1" in server.run(f"curl -s http://127.0.0.1:{_PORT}/")
    assert "hello" in server.run("k3s ctr containers list")


def test_a_wrong_token_is_refused_within_seconds(pair: list[bed.Node], server: bed.Node) -> None:
    right = server.run("cat /var/lib/rancher/k3s/server/token").strip()
    ours, _, password = right.rpartition(":")
    for wrong, said in (
        (f"{ours}:wrong", "/v1-k3s/config: 401 Unauthorized"),
        ("wrong", "/v1-k3s/config: 401 Unauthorized"),
        (f"K10{'0' * 64}::server:{password}", "token CA hash does not match the Cluster CA certificate hash"),
        ("K10123::server:x", "invalid token CA hash length"),
    ):
        began = time.monotonic()
        done = pair[1].sh(f"k3s agent --server https://{server.address}:6443 --token {wrong}", timeout=30)
        assert done.returncode == 1
        assert said in done.stderr
        assert time.monotonic() - began < 15


def test_a_second_node_joins_and_serves_the_pods_of_the_first(server: bed.Node, agent: bed.Node) -> None:
    nodes = {one["metadata"]["name"]: one for one in server.objects("nodes")["items"]}
    assert set(nodes) == {server.name, agent.name}
    assert "node-role.kubernetes.io/control-plane" not in nodes[agent.name]["metadata"]["labels"]
    assert "version v1" in _await_hello(agent.address)


def test_logs_and_commands_reach_pods_on_both_nodes(server: bed.Node, agent: bed.Node) -> None:
    server.kubectl("scale", "deployment/hello", "--replicas=4")
    server.kubectl("rollout", "status", "deployment/hello", "--timeout=60s")
    pods = server.objects("pods", "-l", "app=hello")["items"]
    assert {one["spec"]["nodeName"] for one in pods} == {server.name, agent.name}
    for pod in pods:
        name = pod["metadata"]["name"]
        assert name in server.kubectl(
            "exec", name, "--", "/usr/bin/python3.11", "-c", "import os; print(os.uname()[1])"
        )
        server.kubectl("logs", name)


def test_a_manifest_in_the_servers_folder_is_applied_and_again_when_it_changes(server: bed.Node) -> None:
    for value in ("a", "b"):
        text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "told"}, "data": {"x": value}})
        server.put("/var/lib/rancher/k3s/server/manifests/told.yaml", text)
        deadline = time.monotonic() + 20
        while server.sh("k3s kubectl get configmap told -o jsonpath='{.data.x}'").stdout != value:
            assert time.monotonic() < deadline, server.journal("server")
            time.sleep(0.5)


def test_pods_live_on_while_the_server_starts_again(server: bed.Node, agent: bed.Node) -> None:
    before = [one["metadata"]["uid"] for one in server.objects("pods", "-l", "app=hello")["items"]]
    server.stop("server")
    assert "version v1" in _hello(server.address)
    server.start("server")
    server.wait_ready(server.name)
    server.wait_ready(agent.name)
    pods = server.objects("pods", "-l", "app=hello")["items"]
    assert [one["metadata"]["uid"] for one in pods] == before
    assert [one["status"]["containerStatuses"][0]["restartCount"] for one in pods] == [0] * len(pods)


def test_another_machine_by_the_same_name_is_refused(server: bed.Node, agent: bed.Node) -> None:
    agent.stop("agent")
    agent.run("mv /etc/rancher/node/password /etc/rancher/node/kept")
    done = agent.sh("k3s agent", timeout=30)
    assert done.returncode == 1
    assert "Node password rejected, duplicate hostname" in done.stderr
    agent.run("mv /etc/rancher/node/kept /etc/rancher/node/password")
    agent.start("agent")


def test_a_deleted_nodes_name_is_free_for_one_with_a_token_of_its_own(server: bed.Node, agent: bed.Node) -> None:
    agent.stop("agent")
    server.kubectl("delete", "node", agent.name)
    _await_gone(server, f"{agent.name}.node-password.k3s")
    agent.run("rm /etc/rancher/node/password")
    token = server.run("k3s token create --ttl 10m").strip()
    agent.configure("agent", server=f"https://{server.address}:6443", token=token)
    agent.start("agent")
    server.wait_ready(agent.name)
    server.run(f"k3s token delete {token.rpartition('::')[2]}")
    agent.stop("agent")
    agent.start("agent")  # Its certificate is enough.
    agent.stop("agent")
    agent.run("rm /var/lib/rancher/k3s/agent/client-kubelet.*")
    done = agent.sh("k3s agent", timeout=30)
    assert "401 Unauthorized" in done.stderr
    assert done.returncode == 1


def test_a_server_with_another_token_does_not_start_on_the_same_data(server: bed.Node) -> None:
    server.stop("server")
    done = server.sh("k3s server --token another", timeout=60)
    server.start("server")
    assert done.returncode == 1
    assert "bootstrap data already found and encrypted with different token" in done.stderr


def _kubelet(**settings: object) -> str:
    return json.dumps({"apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration", **settings})


def _hello(address: str) -> str:
    """What hello says through its NodePort; "" when nobody answers."""
    link = HTTPConnection(address, _PORT, timeout=5)
    try:
        link.request("GET", "/")
        return link.getresponse().read().decode()
    except (OSError, HTTPException):
        return ""
    finally:
        link.close()


def _await_hello(address: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while not (said := _hello(address)):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    return said


def _await_gone(server: bed.Node, secret: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while server.sh(f"k3s kubectl get secret -n kube-system {secret}").returncode == 0:
        assert time.monotonic() < deadline
        time.sleep(0.2)
