"""A machine with K3s's units as du-node sees it: systemctl, journalctl and k3s, in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from du_node import places
from du_node.command import Done
from du_node.errors import NodeError
from du_node.k3s import access, files, join, move, reset, unit, upgrade, view

TOKEN = f"K10{'ab' * 32}::abcdef.0123456789abcdef"


@dataclass
class Unit:
    """``says``: what its journal tells after each start; ``comes_up``: after so many looks, None for never."""

    active: str = "inactive"
    enabled: bool = False
    loaded: bool = True
    comes_up: int | None = 1
    says: list[str] = field(default_factory=list)
    starts: int = 0
    falls: int = 0

    def show(self) -> str:
        if self.active == "activating" and self.comes_up is not None:
            self.comes_up -= 1
            self.active = "active" if self.comes_up <= 0 else self.active
        loaded = "loaded" if self.loaded else "not-found"
        enabled = ("enabled" if self.enabled else "disabled") if self.loaded else ""
        since = "ActiveEnterTimestampMonotonic=1\nExecMainStartTimestampMonotonic=1\n"
        return (
            f"LoadState={loaded}\nActiveState={self.active}\nUnitFileState={enabled}\nNRestarts={self.falls}\n{since}"
        )


@dataclass
class Machine:
    """``nodes``, ``pods`` and ``secrets`` are the cluster's, None for an API that does not answer.

    ``resets``: what `k3s server --cluster-reset` was told, each time; ``ends``: its exit code, None for never.
    """

    units: dict[str, Unit] = field(
        default_factory=lambda: {"k3s.service": Unit(), "k3s-agent.service": Unit(), reset.UNIT: Unit(loaded=False)}
    )
    resets: list[list[str]] = field(default_factory=list)
    ends: int | None = 0
    nodes: list[dict[str, Any]] | None = None
    pods: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    ran: list[list[str]] = field(default_factory=list)

    @property
    def server(self) -> Unit:
        return self.units["k3s.service"]

    @property
    def agent(self) -> Unit:
        return self.units["k3s-agent.service"]

    def run(self, argv: Sequence[str], **_: object) -> Done:
        self.ran.append([*argv])
        programs = {
            "systemctl": self._systemctl,
            "systemd-run": self._systemd_run,
            "journalctl": self._journal,
            "k3s": self._k3s,
        }
        done = programs[Path(argv[0]).name]([*argv[1:]])
        return done if isinstance(done, Done) else Done(0, done, "")

    def _systemctl(self, words: list[str]) -> str | Done:
        verb, found = words[0], self.units[words[-1]]
        if verb == "show":
            return found.show()
        if not found.loaded:
            return Done(5, "", f"Unit {words[-1]} not loaded.")
        if verb in ("enable", "disable"):
            found.enabled = verb == "enable"
        elif verb == "stop":
            found.active = "inactive"
        elif verb == "restart" or (verb == "start" and found.active != "active"):
            assert "--no-block" in words, "a unit without a time limit is never waited for"
            found.active, found.starts = "activating", found.starts + 1
        return ""

    def _systemd_run(self, words: list[str]) -> Done:
        """K3s's own reset: it wants to be told of no other server, and leaves its mark."""
        assert (self.server.active, self.server.enabled) == ("inactive", False), "K3s is off meanwhile"
        told = json.loads(Path(files.CONFIG).read_text())
        assert "server" not in told
        assert not reset.flag().exists(), "K3s does it once"
        self.resets.append(words[words.index("server") :])
        if self.ends is None:
            raise NodeError("tool", "took too long")
        Path(files.DATA, "server/db/etcd/member/wal").mkdir(parents=True, exist_ok=True)
        reset.flag().touch()
        return Done(self.ends, "", "")

    def _journal(self, words: list[str]) -> str:
        return "\n".join(self.units[words[1]].says)

    def _k3s(self, words: list[str]) -> str | Done:
        if words == ["--version"]:
            return "k3s version v1.34.4+k3s1 (0123abcd)\ngo version go1.24\n"
        assert words[0] == "kubectl"
        if self.nodes is None:
            return Done(1, "", "E1130 memcache.go\nUnable to connect to the server: connection refused")
        if words[2] == "secrets":
            return "".join(f"secret/{name}\n" for name in self.secrets)
        if words[3] == "/api/v1/nodes":
            return json.dumps({"items": self.nodes})
        return json.dumps({"items": self.pods.get(words[3].rpartition("%3D")[2], [])})


def node(name: str, *, ready: bool = True, cordoned: bool = False, server: bool = False, ours: bool = False) -> Any:
    """A Node object as the API has it."""
    return {
        "metadata": {
            "name": name,
            "labels": {"node-role.kubernetes.io/control-plane": "true"} if server else {},
            "annotations": {"du-infra/drained": "true"} if ours else {},
        },
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
            "nodeInfo": {"kubeletVersion": "v1.34.4+k3s1"},
        },
    }


def pod(owner: str = "ReplicaSet", phase: str = "Running", *, mirror: bool = False) -> Any:
    annotations = {"kubernetes.io/config.mirror": "x"} if mirror else {}
    return {
        "metadata": {"ownerReferences": [{"kind": owner}], "annotations": annotations},
        "status": {"phase": phase},
    }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """Nothing is set up on it yet; nobody waits for real."""
    made = Machine()
    config = tmp_path / "etc" / "config.yaml"
    monkeypatch.setattr(files, "CONFIG", str(config))
    monkeypatch.setattr(files, "LINK", f"{config}.d/20-server.yaml")
    monkeypatch.setattr(files, "DATA", str(tmp_path / "data"))
    monkeypatch.setattr(files, "REGISTRIES", str(tmp_path / "etc" / "registries.yaml"))
    monkeypatch.setattr(files, "UNITS", str(tmp_path / "units"))
    monkeypatch.setattr(files, "DEFAULTS", str(tmp_path / "default"))
    monkeypatch.setattr(files, "SERVER_KEYS", str(tmp_path / "k3s-server.yaml"))
    monkeypatch.setattr(places, "KUBE", str(tmp_path / "kube.json"))
    monkeypatch.setattr(move, "NOTE", str(tmp_path / "move.json"))
    monkeypatch.setattr(reset, "NOTE", str(tmp_path / "reset.json"))
    for module in (unit, view, upgrade, reset):
        monkeypatch.setattr(module, "run", made.run)
    for module in (join, access):
        monkeypatch.setattr(module, "_POLL_SECONDS", 0.0)
    return made
