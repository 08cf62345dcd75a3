"""Servers of the stand-in without their agents, each in a network namespace of this machine: etcd and an API, no nodes.

For what concerns etcd's members alone: seconds in place of the minutes that nodes take. Needs root, and no LXD.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_NETWORK = "198.19.77"
_READY_SECONDS = 120.0


@dataclass
class Server:
    """``home``: K3s's data directory; its log is beside it."""

    number: int
    namespace: str
    binary: Path
    home: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"{_NETWORK}.{self.number}"

    @property
    def name(self) -> str:
        return f"n-{self.number}"

    @property
    def token(self) -> str:
        return (self.home / "server/token").read_text().strip()

    def start(self, *options: str) -> None:
        """Have it run, and wait until its API is ready."""
        self.spawn(*options)
        deadline = time.monotonic() + _READY_SECONDS
        while self.kubectl("get", "--raw", "/readyz").stdout != "ok":
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)

    def spawn(self, *options: str) -> None:
        with self.home.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(self._argv(*options), stdout=log, stderr=log, env=self._env())

    def once(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end."""
        argv = self._argv(*options)
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120, env=self._env())

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def log(self, lines: int = 5) -> str:
        return "\n".join(self.home.with_suffix(".log").read_text(errors="replace").splitlines()[-lines:])

    def kubectl(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.k3s("kubectl", "--request-timeout=3s", *words)

    def k3s(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = ["ip", "netns", "exec", self.namespace, str(self.binary), *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=self._env())

    def members(self) -> list[str]:
        """Names of etcd's members, as this server's supervisor tells them."""
        word = self.token.rpartition("::")[2]
        argv = ["curl", "-sk", "--config", "-", "https://127.0.0.1:6443/db/info"]
        asked = ["ip", "netns", "exec", self.namespace, *argv]
        done = subprocess.run(asked, input=f'user = "{word}"\n', capture_output=True, text=True, check=True, timeout=30)
        told: dict[str, Any] = json.loads(done.stdout)
        return sorted(str(one["name"]).rpartition("-")[0] for one in told["members"])

    def has(self, namespace: str) -> bool:
        return self.kubectl("get", "namespace", namespace).returncode == 0

    def _argv(self, *options: str) -> list[str]:
        where = ["--config", "/dev/null", "--write-kubeconfig", str(self.home.with_suffix(".yaml"))]
        own = ["--node-name", self.name, "--node-ip", self.address, "--disable-agent"]
        return ["ip", "netns", "exec", self.namespace, str(self.binary), "server", *where, *own, *options]

    def _env(self) -> dict[str, str]:
        kept = {"K3S_DATA_DIR": str(self.home), "KUBECONFIG": str(self.home.with_suffix(".yaml"))}
        return {"PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", **kept}


@contextmanager
def servers(count: int, binary: Path, folder: Path) -> Iterator[list[Server]]:
    """So many, of which none runs yet; they reach one another, and nobody else. Gone at the end."""
    mark = secrets.token_hex(3)
    bridge = f"du{mark}"
    made = [Server(n, f"du{mark}-{n}", binary, folder / f"n{n}") for n in range(1, count + 1)]
    try:
        _ip("link", "add", bridge, "type", "bridge")
        _ip("link", "set", bridge, "up")
        for one in made:
            _connect(one, bridge, f"du{mark}v{one.number}")
        yield made
    finally:
        for one in made:
            one.kill()
            subprocess.run(["ip", "netns", "del", one.namespace], check=False, capture_output=True)
        subprocess.run(["ip", "link", "del", bridge], check=False, capture_output=True)


def _connect(server: Server, bridge: str, port: str) -> None:
    inside: Sequence[str] = ("-n", server.namespace)
    _ip("netns", "add", server.namespace)
    _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", server.namespace)
    _ip("link", "set", port, "master", bridge, "up")
    _ip(*inside, "addr", "add", f"{server.address}/24", "dev", "eth0")
    for link in ("lo", "eth0"):
        _ip(*inside, "link", "set", link, "up")
    _ip(*inside, "route", "add", "default", "dev", "eth0")


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
