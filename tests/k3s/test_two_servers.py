"""Two servers of the stand-in on one PostgreSQL: the same cluster, and either of them is enough."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.k3s import bed
from tests.k3s.postgres import postgres
from tests.region.conftest import lxc

pytestmark = pytest.mark.lxd

_TOKEN = "a-secret-of-two"


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[bed.Node]]:
    """Two servers and an agent that was told of the first; PostgreSQL is on a machine beside them."""
    with postgres() as store, bed.nodes(3) as (first, second, agent):
        for node in (first, second):
            node.configure("server", token=_TOKEN, datastore_endpoint=store.endpoint)
            print(f"server: up after {node.start('server'):.1f} s")
        agent.configure("agent", server=f"https://{first.address}:6443", token=_TOKEN)
        agent.start("agent")
        yield [first, second, agent]


def test_both_servers_are_of_one_cluster(cluster: list[bed.Node]) -> None:
    first, second, agent = cluster
    for node in cluster:
        second.wait_ready(node.name)
    files = "/var/lib/rancher/k3s/server/tls/server-ca.crt /var/lib/rancher/k3s/server/node-token"
    assert first.run(f"cat {files}") == second.run(f"cat {files}")
    for node, roles in ((first, True), (second, True), (agent, False)):
        labels = first.objects("node", node.name)["metadata"]["labels"]
        assert ("node-role.kubernetes.io/control-plane" in labels) == roles


def test_a_server_with_another_token_is_refused(cluster: list[bed.Node]) -> None:
    second = cluster[1]
    second.stop("server")
    done = second.sh("k3s server --token another", timeout=60)
    second.start("server")
    assert done.returncode == 1
    assert "bootstrap data already found and encrypted with different token" in done.stderr


def test_the_agent_and_the_api_go_on_when_a_server_is_lost(cluster: list[bed.Node]) -> None:
    first, second, agent = cluster
    _await_servers(agent, 2)
    lxc("stop", "-f", first.name)
    began = time.monotonic()
    _await_state(second, first.name, "Unknown")
    print(f"the lost server was seen after {time.monotonic() - began:.1f} s")
    second.kubectl("create", "deployment", "hello", f"--image={bed.HELLO}:v1")
    second.kubectl("rollout", "status", "deployment/hello", "--timeout=90s")
    print(f"a new pod ran after {time.monotonic() - began:.1f} s")
    time.sleep(20)  # Longer than the grace period: an agent without an API server would be Unknown by now.
    assert _state(second, agent.name) == "True", agent.journal("agent")


def test_the_lost_server_comes_back(cluster: list[bed.Node]) -> None:
    first, second, _ = cluster
    lxc("start", first.name)
    second.wait_ready(first.name, 90)


def _state(server: bed.Node, node: str) -> str:
    conditions = server.objects("node", node)["status"]["conditions"]
    return next(str(one["status"]) for one in conditions if one["type"] == "Ready")


def _await_state(server: bed.Node, node: str, wanted: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while server.sh("k3s kubectl get --raw /readyz").stdout != "ok" or _state(server, node) != wanted:
        assert time.monotonic() < deadline, server.journal("server")
        time.sleep(0.5)


def _await_servers(agent: bed.Node, count: int, seconds: float = 30) -> None:
    """Until the agent's balancer knows so many servers."""
    deadline = time.monotonic() + seconds
    while agent.sh("cat /var/lib/rancher/k3s/agent/etc/k3s-agent-load-balancer.json").stdout.count(':6443"') <= count:
        assert time.monotonic() < deadline, agent.journal("agent")
        time.sleep(0.5)
