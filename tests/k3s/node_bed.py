"""A node of its own for tests of du-node with K3s as its runtime: the stand-in, and no controller."""

from __future__ import annotations

import json
import time

from du_infra.pool.lxd.provider import LxdProvider
from tests.k3s import bed, build
from tests.region import du_node_bed
from tests.region.conftest import push

_KUBECONFIG = "k3s kubectl -n du-infra"
_VERBS = ["get", "list", "create", "update", "delete"]
_RULES = [
    {"apiGroups": [""], "resources": ["services", "pods", "secrets"], "verbs": _VERBS},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": _VERBS},
    {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": _VERBS},
]
_NAMED = {"name": "du-node", "namespace": "du-infra"}
_OBJECTS = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "du-infra"}},
    {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _NAMED},
    {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": _NAMED, "rules": _RULES},
    {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": _NAMED,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "du-node"},
        "subjects": [{"kind": "ServiceAccount", **_NAMED}],
    },
    {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/service-account-token",
        "metadata": {
            "name": "du-node-token",
            "namespace": "du-infra",
            "annotations": {"kubernetes.io/service-account.name": "du-node"},
        },
    },
]


class K3sNode(du_node_bed.Node):
    """The same with K3s: the first server of a cluster."""

    def containers(self) -> dict[str, str]:
        """Name → "Up", or why it does not run, of every pod of ours."""
        told = json.loads(self.sh(f"{_KUBECONFIG} get pods -o json").stdout)
        found = {}
        for pod in told["items"]:
            (status,) = pod["status"].get("containerStatuses") or [{}]
            if not pod["metadata"].get("deletionTimestamp"):
                found[pod["metadata"]["name"]] = "Up" if "running" in (status.get("state") or {}) else str(status)
        return found

    @property
    def tool(self) -> str:
        return _KUBECONFIG

    @property
    def units(self) -> list[str]:
        return ["k3s"]

    def _have_runtime(self, provider: LxdProvider) -> None:
        node = bed.Node(build.pause(), self.name, self.address)
        push("--mode", "0755", str(build.binary()), f"{self.name}/usr/local/bin/k3s")
        self.sh("ln -sf k3s /usr/local/bin/kubectl; systemctl disable -q --now containerd")
        node.configure("server", service_node_port_range="20000-29999")
        node.start("server")
        node.wait_ready(self.name)
        node.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": _OBJECTS}))
        self.sh("install -d -m 0700 /var/lib/du-node")
        self._put("/var/lib/du-node/kube.json", json.dumps(self._access(node)), "0600")

    def _access(self, node: bed.Node) -> dict[str, str]:
        jsonpath = "jsonpath={.data.ca\\.crt} {.data.token}"
        deadline = time.monotonic() + 30
        while True:
            words = node.sh(f"{_KUBECONFIG} get secret du-node-token -o '{jsonpath}'").stdout.split()
            if len(words) == 2:
                break
            assert time.monotonic() < deadline
            time.sleep(0.2)
        script = "import base64,sys; print(base64.b64decode(sys.stdin.read()).decode(), end='')"
        ca, token = (self.sh(f'python3 -c "{script}"', word).stdout for word in words)
        return {"server": "https://127.0.0.1:6443", "ca": ca, "token": token}
