"""Nodes of the local cloud with the stand-in for K3s on them, as K3s's own installer would leave them."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from du_infra.pool.lxd.provider import LxdProvider
from du_infra.progress import silent
from tests.k3s import build
from tests.region.conftest import push
from tests.region.machine import launch, remove

Role = Literal["server", "agent"]

CLUSTER_CIDR = "198.19.0.0/17"
SERVICE_CIDR = "198.19.128.0/20"
"""Beside the bridge's 198.18.0.0/16, and beside 198.19.255.0/24, which nerdctl and Docker have on our nodes."""

REGISTRY = "registry.local:5000"
HELLO = f"{REGISTRY}/hello"

_UNITS: Mapping[Role, str] = {"server": "k3s", "agent": "k3s-agent"}

# What K3s's installer writes, but for its modprobe lines: a node of the local cloud has its host's kernel.
_UNIT = """[Unit]
Description=Lightweight Kubernetes (stand-in for tests)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
EnvironmentFile=-/etc/default/%N
EnvironmentFile=-/etc/systemd/system/%N.service.env
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s {role}

[Install]
WantedBy=multi-user.target
"""


@dataclass
class Node:
    """One LXD node. ``pause`` is what it calls the pause image."""

    pause: str
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(3)}-k3s")
    address: str = ""

    def sh(self, script: str, stdin: str = "", timeout: float = 120) -> subprocess.CompletedProcess[str]:
        argv = ["lxc", "exec", self.name, "-T", "--", "sh", "-c", script]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=timeout)

    def run(self, script: str, stdin: str = "", timeout: float = 120) -> str:
        """Run a script that must not fail, and return what it says."""
        done = self.sh(script, stdin, timeout)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        return done.stdout

    def put(self, path: str, text: str, mode: str = "0600") -> None:
        self.run(f"mkdir -p '{Path(path).parent}' && cat >'{path}' && chmod {mode} '{path}'", text)

    def make(self, provider: LxdProvider, binary: Path, memory: str = "1GiB") -> None:
        """A node with the binary and its symlinks, and nothing that runs."""
        self.address = launch(provider, self.name, memory=memory, seconds=60)
        push("--mode", "0755", str(binary), f"{self.name}/usr/local/bin/k3s")
        # K3s has a containerd of its own, and so has the stand-in: the distribution's program, as its child.
        self.run("ln -s k3s /usr/local/bin/kubectl && systemctl disable -q --now containerd")

    def configure(self, role: Role, **settings: Any) -> None:
        """Write K3s's files. A setting is a key of config.yaml with _ for -; None takes one of ours away."""
        ours: dict[str, Any] = {"node-ip": self.address, "pause-image": self.pause}
        if role == "server":
            ours |= {"cluster-cidr": CLUSTER_CIDR, "service-cidr": SERVICE_CIDR}
            ours |= {"disable": ["coredns", "traefik", "servicelb", "metrics-server", "local-storage"]}
            ours |= {"kube-controller-manager-arg": ["node-monitor-grace-period=16s", "node-monitor-period=2s"]}
        ours |= {name.replace("_", "-"): value for name, value in settings.items()}
        config = {name: value for name, value in ours.items() if value is not None}
        self.put("/etc/rancher/k3s/config.yaml", json.dumps(config, indent=2))  # JSON is YAML.
        mirrors = {REGISTRY: {"endpoint": [f"http://{REGISTRY}"]}}
        self.put("/etc/rancher/k3s/registries.yaml", json.dumps({"mirrors": mirrors}))
        self.put(f"/etc/systemd/system/{_UNITS[role]}.service", _UNIT.format(role=role), "0644")
        self.run("systemctl daemon-reload")

    def start(self, role: Role, seconds: float = 120) -> float:
        """Start the service and wait until it says that it is up; returns how long that took."""
        began = time.monotonic()
        self.run(
            f"systemctl reset-failed; systemctl enable -q {_UNITS[role]}; systemctl restart --no-block {_UNITS[role]}"
        )
        while (state := self.sh(f"systemctl is-active {_UNITS[role]}").stdout.strip()) != "active":
            late = time.monotonic() - began > seconds
            assert not late, f"{self.name} is {state}\n{self.journal(role)}"
            time.sleep(0.2)
        return time.monotonic() - began

    def stop(self, role: Role) -> None:
        self.run(f"systemctl stop {_UNITS[role]}")

    def journal(self, role: Role, lines: int = 60) -> str:
        return self.sh(f"journalctl -u {_UNITS[role]} -n {lines} --no-pager -o cat").stdout

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """`k3s kubectl …`, on a server."""
        quoted = " ".join(f"'{word}'" for word in words)
        return self.run(f"k3s kubectl {quoted}", stdin)

    def objects(self, *words: str) -> Any:
        """What `kubectl get … -o json` says."""
        return json.loads(self.kubectl("get", *words, "-o", "json"))

    def wait_ready(self, node: str, seconds: float = 60) -> float:
        """Wait until the cluster, of which this is a server, says that a node is Ready; returns how long that took."""
        began = time.monotonic()
        while True:
            found = [one for one in self.objects("nodes")["items"] if one["metadata"]["name"] == node]
            states = {c["type"]: c["status"] for one in found for c in one["status"].get("conditions", ())}
            if states.get("Ready") == "True":
                return time.monotonic() - began
            late = time.monotonic() - began > seconds
            assert not late, f"{node}: {states}\n{self.journal('server')}"
            time.sleep(0.2)


@contextmanager
def nodes(count: int, tags: tuple[str, ...] = ("v1",), memory: str = "1GiB") -> Iterator[list[Node]]:
    """So many nodes with the stand-in on them; the local registry has hello in these tags. Gone at the end."""
    provider = LxdProvider()
    provider.prepare(silent)
    provider.prepare_images({HELLO: list(tags)}, silent)
    binary, pause = build.binary(), build.pause()
    made = [Node(pause) for _ in range(count)]
    try:
        for node in made:
            node.make(provider, binary, memory)
        yield made
    finally:
        for node in made:
            remove(node.name)
