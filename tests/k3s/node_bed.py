"""A node of its own for tests of du-node with K3s as its runtime: the stand-in, and no controller."""

from __future__ import annotations

import json
import time
from typing import Any

import yaml
from jinja2.nativetypes import NativeEnvironment

from du_infra.assets import asset
from du_infra.pool.lxd.provider import LxdProvider
from tests.k3s import bed, build
from tests.region import du_node_bed
from tests.region.conftest import push

_KUBECONFIG = "k3s kubectl -n du-infra"


def role_objects() -> list[Any]:
    """What the role k3s_server has K3s apply, as Ansible would resolve it."""
    folder = asset("playbooks") / "roles" / "k3s_server"
    told: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        told |= yaml.safe_load((folder / part / "main.yml").read_text())
    found: list[Any] = _resolved(told["k3s_server_objects"], told)
    return found


def _resolved(value: Any, told: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _resolved(part, told) for key, part in value.items()}
    if isinstance(value, list):
        return [_resolved(part, told) for part in value]
    if isinstance(value, str) and "{{" in value:
        return _resolved(NativeEnvironment().from_string(value).render(told), told)
    return value


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
        node.kubectl(
            "apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": role_objects()})
        )
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
