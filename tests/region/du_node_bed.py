"""A node of its own for tests of du-node: our image, the roles' own settings, no controller."""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from du_infra.engines import skopeo, zipapp
from du_infra.pool.lxd.provider import LxdProvider
from du_infra.progress import silent
from tests.region.conftest import lxc, push
from tests.region.machine import launch, remove
from tests.templates import rendered

IMAGE = "registry.local:5000/hello"


@dataclass
class Node:
    """One LXD node. ``digests`` maps a tag of the sample service to its image's digest."""

    digests: dict[str, str]
    gateway: str = "nginx"
    runtime: str = "containerd"
    name: str = field(default_factory=lambda: f"t{secrets.token_hex(3)}-node")
    address: str = ""

    def sh(self, script: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = ["lxc", "exec", self.name, "-T", "--", "sh", "-c", script]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=120)

    def wanted(self, *services: dict[str, Any]) -> str:
        head = {"version": 1, "fleet": "demo", "region": "home", "node": self.name, "config": f"c-{len(services)}"}
        return json.dumps({**head, "services": services})

    def hello(self, tag: str, **changes: Any) -> dict[str, Any]:
        digest = self.digests[tag]
        service = {"name": "hello", "release": f"{tag}-{digest[7:15]}", "tag": tag, "digest": digest, "port": 8080}
        return {**service, "image": f"{IMAGE}@{digest}", "start_timeout": 20, **changes}

    def apply(self, *services: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        """Exit code and lines of du-node apply."""
        done = self.sh("du-node apply", self.wanted(*services))
        return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]

    def start_apply(self, *services: dict[str, Any]) -> subprocess.Popen[str]:
        argv = ["lxc", "exec", self.name, "-T", "--", "du-node", "apply"]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(self.wanted(*services))
        process.stdin.close()
        return process

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.sh("du-node status").stdout)
        return found

    def get(self, path: str = "/") -> tuple[int, str]:
        """Status and text through the gateway; 0 when nobody answers."""
        link = HTTPConnection(self.address, 80, timeout=5)
        try:
            link.request("GET", path)
            answer = link.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, HTTPException):
            return 0, ""
        finally:
            link.close()

    def readyz(self) -> dict[str, Any]:
        status, body = self.get("/readyz")
        return {**json.loads(body), "status": status} if status else {"status": 0, "ready": False}

    def wait_until_ready(self, tag: str, seconds: float = 30) -> dict[str, Any]:
        """Poll /readyz until hello is ready with ``tag`` and all was applied."""
        deadline = time.monotonic() + seconds
        while True:
            told = self.readyz()
            if told["ready"] and told["config"] and told["releases"]["hello"]["tag"] == tag:
                return told
            assert time.monotonic() < deadline, told
            time.sleep(0.1)

    def containers(self) -> dict[str, str]:
        """Name → "Up" or how it ended, of every container of ours."""
        lines = self.sh(f"{self.tool} ps -a --format '{{{{.Names}}}} {{{{.Status}}}}'").stdout.splitlines()
        found = dict(line.split(" ", 1) for line in lines)
        return {name: "Up" if how.startswith("Up ") else how for name, how in found.items()}  # Docker says since when

    @property
    def tool(self) -> str:
        """The command line of the node's runtime."""
        return {"containerd": "nerdctl -n du", "docker": "docker"}[self.runtime]

    def make(self, provider: LxdProvider) -> None:
        self.address = launch(provider, self.name)
        self._configure(provider)

    def reboot(self) -> None:
        lxc("restart", "-f", self.name)

    def _configure(self, provider: LxdProvider) -> None:
        with tempfile.TemporaryDirectory() as folder:
            program, _ = zipapp.build(Path(folder))
            push("--mode", "0755", str(program), f"{self.name}/usr/local/bin/du-node")
        {"nginx": self._with_nginx, "envoy": self._with_envoy}[self.gateway]()
        unit = rendered("containerd", "containerd.conf.j2")
        self._put("/etc/systemd/system/containerd.service.d/du-infra.conf", unit)
        self._have_runtime(provider)
        self._put_settings()
        kinds = {"du_gateway": self.gateway, "du_runtime": self.runtime}
        unit = rendered("du_node", "du-node.service.j2", du_node_program="/usr/local/bin/du-node", **kinds)
        self._put("/etc/systemd/system/du-node.service", unit)
        units = " ".join([*self.units, self.gateway, "du-node"])
        done = self.sh(f"systemctl daemon-reload && systemctl enable --now {units}")
        assert done.returncode == 0, done.stderr

    def settle(self, **more: Any) -> None:
        """Tell du-node more of its node, and have it run."""
        self._put_settings(**more)
        done = self.sh("systemctl restart du-node")
        assert done.returncode == 0, done.stderr

    def wait_until_shared(self, shared: bool, seconds: float = 15) -> None:
        """Until the gateway shares its requests with a peer, or with none."""
        deadline = time.monotonic() + seconds
        while ('"peers":[{' in self.sh("cat /etc/nginx/conf.d/du.conf /etc/envoy/du/routes.json").stdout) != shared:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    @property
    def units(self) -> list[str]:
        """The runtime's service."""
        return [self.runtime]

    def _have_runtime(self, provider: LxdProvider) -> None:
        {"containerd": self._with_containerd, "docker": self._with_docker}[self.runtime](provider)

    def _put_settings(self, **more: Any) -> None:
        settings = {"gateway": self.gateway, "runtime": self.runtime, **more}
        self._put("/var/lib/du-node/settings.json", json.dumps(settings))

    def _with_containerd(self, provider: LxdProvider) -> None:
        for registry in provider.registries():
            text = rendered("containerd", "hosts.toml.j2", registry=registry)
            self._put(f"/etc/containerd/certs.d/{registry.host}/hosts.toml", text)

    def _with_docker(self, provider: LxdProvider) -> None:
        settings = rendered("docker", "daemon.json.j2", du_registries=provider.registries())
        self._put("/etc/docker/daemon.json", settings)
        self._put("/etc/nftables/du-docker-hold.nft", rendered("docker", "du-docker-hold.nft.j2"))
        self._put("/etc/systemd/system/docker.service.d/du-infra.conf", rendered("docker", "docker.conf.j2"))

    def _with_nginx(self) -> None:
        self._put("/etc/nginx/nginx.conf", rendered("nginx", "nginx.conf.j2"))
        unit = rendered("nginx", "nginx.service.j2", nginx_program="/usr/sbin/nginx")
        self._put("/etc/systemd/system/nginx.service", unit)
        self.sh("mkdir -p /etc/nginx/conf.d")

    def _with_envoy(self) -> None:
        push("--mode", "0755", str(envoy_program()), f"{self.name}/usr/local/bin/envoy")
        self._put("/etc/envoy/du/clusters.json", '{"resources":[]}')
        self._put("/etc/envoy/du/routes.json", rendered("envoy", "routes.json.j2"))
        self._put("/etc/envoy/bootstrap.yaml", rendered("envoy", "bootstrap.yaml.j2"))
        self._put("/usr/local/lib/du-infra/envoy-drain", rendered("envoy", "envoy-drain.py.j2"), "0755")
        self._put("/etc/systemd/system/envoy.service", rendered("envoy", "envoy.service.j2"))
        self._put("/var/log/du/access.log", "")

    def _put(self, path: str, text: str, mode: str = "0644") -> None:
        done = self.sh(f"mkdir -p '{Path(path).parent}' && cat >'{path}' && chmod {mode} '{path}'", text)
        assert done.returncode == 0, done.stderr


def envoy_program() -> Path:
    """Envoy, from the development tools."""
    import envoy

    return Path(envoy.__file__).parent / "_bin" / "envoy"


def make_node(gateway: str = "nginx", tags: Sequence[str] = ("v1", "v2"), *, runtime: str = "containerd") -> Node:
    """A node that runs nothing yet; the sample images with these tags are in the local registry."""
    provider = LxdProvider(runtime=runtime)
    provider.prepare(silent)
    provider.prepare_images({IMAGE: list(tags)}, silent)
    registry = provider.registries()[0]
    digests = {t: skopeo.digest(f"{registry.address}/hello", t, plain_http=True) for t in tags}
    node = _kind(runtime)(digests, gateway, runtime)
    try:
        node.make(provider)
    except BaseException:
        unmake(node)
        raise
    return node


def _kind(runtime: str) -> type[Node]:
    if runtime != "k3s":
        return Node
    from tests.k3s.node_bed import K3sNode

    return K3sNode


def unmake(node: Node) -> None:
    """Take the node away, whatever became of it."""
    remove(node.name)


class Load:
    """Clients that ask for as long as the block lasts, half of them on kept connections; counts what failed."""

    def __init__(self, address: str, clients: int = 8, pause: float = 0.002) -> None:
        self._address = address
        self._pause = pause
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(n % 2 == 0,)) for n in range(clients)]
        self._lock = threading.Lock()
        self.ok = 0
        self.failed: Counter[str] = Counter()
        self.releases: Counter[str] = Counter()

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _client(self, keep: bool) -> None:
        link, count = HTTPConnection(self._address, 80, timeout=10), 0
        while not self._stop.is_set():
            count += 1
            method, body = ("POST", b"x" * 100) if count % 3 == 0 else ("GET", None)
            try:
                link.request(method, "/", body, {} if keep else {"Connection": "close"})
                answer = link.getresponse()
                answer.read()
                self._note(method, answer.status, answer.getheader("X-Du-Release") or "")
            except (OSError, HTTPException) as trouble:
                self._note(f"{method} {type(trouble).__name__}", 0, "")
                link.close()
            if not keep:
                link.close()
            time.sleep(self._pause)
        link.close()

    def _note(self, what: str, status: int, release: str) -> None:
        with self._lock:
            if status == 200:
                self.ok += 1
                self.releases[release] += 1
            else:
                self.failed[f"{what} {status}"] += 1
