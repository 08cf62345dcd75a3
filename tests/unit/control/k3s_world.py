"""A region whose nodes run K3s, in memory: what `du-node k3s`, `k3s kubectl` and the provider do and say.

The controller can be made to die before or after anything that it does.
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import du_infra
from du_infra.control.context import RegionContext
from du_infra.errors import EngineFailed, Unreachable
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Machine, Node

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, runtime: k3s, pool: {nodes: 3}%s}\nservices: {}\n"


class Killed(BaseException):
    """The controller dies here."""


@dataclass
class Host:
    """A machine. ``password``: what its K3s proves to be by. ``slow``: looks until a start has come up; None: never.

    ``program``: of the K3s that waits there, "" for the world's; ``version``: of the one that runs. ``datastore``: the
    address that its K3s has as a server, "" for sqlite.
    """

    address: str
    password: str
    status: str = "running"
    answers: bool = True
    role: str = ""
    service: str = "stopped"
    joined: bool = False
    access: Mapping[str, str] | None = None
    token: str = ""
    slow: int | None = 1
    why: str = ""
    stale: tuple[str, ...] = ()
    program: str = ""
    version: str = ""
    server: str = ""
    since: float = 0.0
    datastore: str = ""
    migration: str = ""
    moved: float | None = None
    etcd: bool = False

    @property
    def runs(self) -> bool:
        return self.status == "running" and self.service == "running"


@dataclass
class World:
    """``lives``: how many orders the controller gives before it dies; it dies after the last one if ``late``.

    ``secret``: the servers' token, which the first of them was told of or made: without it the data in an external
    datastore cannot be read. ``login``: the address by which that datastore lets servers in. ``etcd``: its members,
    whether they have a vote. ``removing``: whom it was asked to let go, and has not yet. ``revived``: whose etcd was
    made one of its own by a reset or a restore.
    """

    hosts: dict[str, Host] = field(default_factory=dict)
    nodes: dict[str, dict[str, Any]] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    clusters: int = 0
    version: str = "v1.34.4+k3s1"
    done: list[str] = field(default_factory=list)
    lives: int = 999
    late: bool = False
    tokens: list[str] = field(default_factory=list)
    etcd: dict[str, bool] = field(default_factory=dict)
    removing: set[str] = field(default_factory=set)
    revived: list[str] = field(default_factory=list)
    backups: int = 0
    saved: tuple[dict[str, dict[str, Any]], dict[str, str]] = field(default_factory=lambda: ({}, {}))
    stuck: set[str] = field(default_factory=set)
    slept: float = 0.0
    secret: str = ""
    login: str = ""

    def machine(self, name: str, number: int) -> None:
        self.hosts[name] = Host(f"198.18.1.{number}", f"password of machine {len(self.done)} {number}")

    def step(self, what: str) -> None:
        if self.lives <= 0 and not self.late:
            raise Killed
        self.lives -= 1
        self.done.append(what)

    def end(self) -> None:
        if self.lives <= 0 and self.late:
            raise Killed

    # What time does

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        for name, host in self.hosts.items():
            if host.status == "running" and host.service == "starting" and host.slow is not None:
                host.slow -= 1
                if host.slow <= 0:
                    self._come_up(name, host)

    def _come_up(self, name: str, host: Host) -> None:
        if host.role == "server" and host.datastore != (self.login if host.datastore else ""):
            host.slow, host.why = 1, "the datastore does not let K3s in"
            return
        host.service, host.joined, host.slow, host.since = "running", True, 1, self.slept
        if host.role == "server" and not self.clusters:
            self.clusters += 1
            self.secret = host.token or "made by K3s"
        if host.role == "server" and host.etcd and name not in self.etcd:
            assert all(self.etcd.values()), "one server joins after the other"
            assert not self.etcd or self.majority(), "etcd takes nobody in without a majority"
            self.etcd[name] = True
        assert self.passwords.setdefault(name, host.password) == host.password
        self.nodes.setdefault(name, {"cordoned": False, "marked": False})["server"] = host.role == "server"

    def majority(self) -> bool:
        """Whether etcd has one; a cluster that is not on etcd needs none."""
        lives = [name for name in self.etcd if name in self.hosts and self.hosts[name].runs]
        return not self.etcd or len(lives) > len(self.etcd) // 2

    def api(self) -> bool:
        return any(map(self.serves, self.hosts))

    def serves(self, name: str) -> bool:
        host = self.hosts[name]
        member = not host.etcd or name in self.etcd
        return host.role == "server" and host.runs and member and self.majority()

    # What is asked and ordered (see du_infra.control.cluster.nodes.Nodes)

    def state(self, node: Node) -> Mapping[str, Any] | None:
        host = self.hosts[node.name]
        if host.status != "running" or not host.answers:
            return None
        tells = self.serves(node.name)
        return {
            "role": host.role,
            "server": host.server if host.role == "agent" else "",
            "service": host.service,
            "up_s": self.slept - host.since if host.runs else 0.0,
            "datastore": _kind(host) if host.role == "server" else "",
            "etcd": self._etcd(node.name) if host.role == "server" and host.etcd else None,
            "migration": host.migration if host.role == "server" else "",
            "moved_s": self.slept - host.moved if host.role == "server" and host.moved is not None else None,
            "joined": host.joined,
            "version": "" if host.role else f"{host.program or self.version}-standin",
            "stale": host.stale if host.runs else (),
            "cluster": self._cluster() if tells else None,
            "why": host.why,
        }

    def _etcd(self, name: str) -> dict[str, Any]:
        rows = [{"name": n, "address": self.hosts[n].address, "learner": not vote} for n, vote in self.etcd.items()]
        serves = self.serves(name)
        return {"members": rows if serves else None, "healthy": serves}

    def _cluster(self) -> dict[str, Any]:
        rows = [
            {
                "name": name,
                "ready": name in self.hosts and self.hosts[name].runs,
                "cordoned": row["cordoned"],
                "marked": row["marked"],
                "drained": row["cordoned"] and name not in self.stuck,
                "version": f"{self.hosts[name].version or self.version}-standin" if name in self.hosts else "",
                "server": row["server"],
                "removing": name in self.removing,
            }
            for name, row in self.nodes.items()
        ]
        return {"nodes": rows, "passwords": sorted(self.passwords)}

    def order(self, node: Node, verb: str, order: Mapping[str, Any] | Path, seconds: float) -> None:
        if isinstance(order, Path):
            self._restore(node, verb, order)
            return
        host = self.hosts[node.name]
        self.step(f"{verb} {node.name}" + (f" as {order['role']}" if verb == "join" else ""))
        if host.status != "running" or not host.answers:
            raise Unreachable("does not answer", where=node.name)
        if verb == "join":
            self._join(node.name, host, order)
        elif verb == "start":
            host.service, host.stale = "starting", ()
        elif verb == "upgrade":
            assert host.runs, "a node that is not well is not upgraded"
            host.version, host.service = str(order["version"]), "starting"
        elif verb == "datastore":
            self._renew(host, order)
        elif verb == "migrate":
            assert (host.role, host.etcd, self.backups > 0) == ("server", False, True)
            host.etcd, host.service, host.moved = True, "starting", self.slept
        elif verb == "undo":
            host.etcd, host.service, host.migration = False, "starting", "undone"
        elif verb == "reset":
            self._reset(node.name, host)
        elif verb == "leave":
            host.service = "disabled"
        elif verb == "access":
            host.access = order
        self.end()
        if verb in ("join", "start", "upgrade", "migrate", "undo", "reset"):
            while host.service == "starting" and host.slow is not None:
                self.sleep(0)

    def _reset(self, name: str, host: Host) -> None:
        """Its member of etcd forgets all others, and the revisions that they may have counted beyond its own."""
        assert (host.role, host.etcd, name in self.etcd) == ("server", True, True), "a server with etcd's data"
        assert [*self.etcd] == [name] or not self.majority(), "a reset of a cluster that lives"
        others = [h for one, h in self.hosts.items() if one != name and h.role == "server" and h.status == "running"]
        assert all(h.service == "disabled" for h in others), "two clusters with the same data"
        self.etcd, host.service, host.moved = {name: True}, "starting", self.slept
        self.revived.append(name)

    def _restore(self, node: Node, verb: str, file: Path) -> None:
        """A backup is laid down: the cluster is as it was when it was made."""
        self.step(f"{verb} {node.name} from {file.name}")
        assert not self.api(), "two servers with the same data"
        others = [h for name, h in self.hosts.items() if name != node.name and h.role == "server"]
        assert not [h for h in others if h.status == "running"]
        self.nodes, self.passwords = copy.deepcopy(self.saved)
        host = self.hosts[node.name]
        host.role, host.service, host.version = "server", "starting", self.version
        if self.etcd:
            self.etcd, host.etcd, host.moved = {node.name: True}, True, self.slept
            self.revived.append(node.name)
        self.end()
        self.sleep(0)

    def _join(self, name: str, host: Host, order: Mapping[str, Any]) -> None:
        host.token = str(order.get("token", ""))
        begins = order["role"] == "server" and not order.get("server")
        if order["role"] == "server":
            external = bool(order.get("datastore"))
            begins = begins and not external
            host.etcd = bool(order.get("etcd") or order.get("server"))
            assert begins or external or host.token.endswith(self.secret), "the servers' own token"
            assert not begins or not self.clusters or host.joined, "a cluster is begun once"
        else:
            assert name not in self.etcd, "etcd has let it go"
        if order["role"] == "agent":
            assert host.token in self.tokens, "the token that the server made for this node"
            servers = [host.address for name, host in self.hosts.items() if self.serves(name)]
            assert order["server"].removeprefix("https://").removesuffix(":6443") in servers
        if self.passwords.get(name, host.password) != host.password:
            raise EngineFailed("K3s cannot join: another machine has joined this cluster by this node's name")
        host.datastore = str(order.get("datastore", ""))
        if host.datastore and self.clusters and host.token != self.secret:
            raise EngineFailed("K3s cannot join: the data is of a cluster with another token")
        host.server = str(order.get("server", ""))
        host.role, host.service, host.version = order["role"], "starting", host.program or self.version

    def _renew(self, host: Host, order: Mapping[str, Any]) -> None:
        if host.role == "server" and host.datastore not in ("", order["datastore"]):
            if host.datastore.rpartition("@")[2] != order["datastore"].rpartition("@")[2]:
                raise EngineFailed("the cluster's data is in another place: it does not move along")
            host.datastore, host.service = order["datastore"], "starting"
            self.sleep(0)

    def read(self, node: Node, path: str) -> str:
        """A server's own token, as K3s has it in a file."""
        host = self.hosts[node.name]
        if not host.runs or not host.answers:
            raise Unreachable("does not answer", where=node.name)
        assert path == "/var/lib/rancher/k3s/server/token"
        return f"K10{'ab' * 32}::server:{self.secret}\n"

    def k3s(self, server: Node, words: Sequence[str], *, seconds: float = 0, what: str = "") -> str:
        assert self.api(), "the API answers"
        assert self.serves(server.name)
        if words[0] == "token":
            self.tokens.append(f"K10abc::{len(self.tokens):06}.secret")
            return self.tokens[-1] + "\n"
        return self._kubectl([*words[1:]], what)

    def _kubectl(self, words: list[str], what: str) -> str:
        verb = words[0]
        name = words[2] if verb in ("annotate", "delete", "get", "label") else words[1]
        if words[:3] == ["get", "secret", "du-node-token"]:
            fields = {"ca.crt": "the authority", "token": "the token"}
            return json.dumps({"data": {k: base64.b64encode(v.encode()).decode() for k, v in fields.items()}})
        if words[:2] == ["get", "node"]:
            return f"{self.hosts[words[2]].version}-standin"
        if verb == "label":
            self.nodes[name]["server"] = False
            return ""
        if verb == "annotate" and words[3] == "etcd.k3s.cattle.io/remove=true":
            self._let_go(name)
            return ""
        if verb == "annotate":
            if name in self.nodes and words[3].startswith("du-infra/drained"):
                self.nodes[name]["marked"] = not words[3].endswith("-")
            return ""
        self.step(f"{verb} {name}" if verb != "delete" else f"delete {words[1]} {name}")
        if verb == "drain":
            self.nodes[name]["cordoned"] = True
            if name in self.stuck:
                raise EngineFailed(what, where=name)
        elif verb == "uncordon":
            self.nodes[name]["cordoned"] = False
        elif words[1] == "node":
            host = self.hosts.get(name)
            assert host is None or not host.runs, "its K3s has stopped, or it would register again"
            self.nodes.pop(name, None)
        else:
            self.passwords.pop(name.removesuffix(".node-password.k3s"), None)
        self.end()
        return ""

    def _let_go(self, name: str) -> None:
        self.step(f"let go {name}")
        assert self.majority()
        assert name in self.nodes, "K3s takes a member out by its Node"
        rest = {one: vote for one, vote in self.etcd.items() if one != name}
        lives = [one for one in rest if one in self.hosts and self.hosts[one].runs]
        assert len(lives) > len(rest) // 2, "those who stay have a majority"
        self.etcd = rest
        self.end()

    # The provider

    def connect(self) -> None:
        return

    def machines(self) -> list[Machine]:
        return [
            Machine(name, host.status, (host.address,), self.owner, "demo", "home")
            for name, host in self.hosts.items()
            if host.status != "gone"
        ]

    def halt(self, name: str) -> None:
        self.step(f"halt {name}")
        self.hosts[name].status = "stopped"

    owner: str = ""


def _kind(host: Host) -> str:
    return "external" if host.datastore else "etcd" if host.etcd and host.joined else "sqlite" if host.joined else ""


def names(count: int) -> list[str]:
    return [f"demo-home-{number}" for number in range(1, count + 1)]


def region(folder: Path, world: World, more: str = "") -> RegionContext:
    """A context whose provider is the world."""
    (folder / "fleet.yaml").write_text(FLEET % more)
    context = RegionContext(du_infra.load(folder / "fleet.yaml").spec, "home", folder)
    context.__dict__["provider"] = world
    world.owner = context.store.owner()
    return context


def pool(context: RegionContext, world: World, count: int, *, first: int = 1) -> PoolRecord:
    """The record of so many nodes, whose machines are made where they are missing."""
    nodes = []
    for number in range(first, first + count):
        name = f"demo-home-{number}"
        if name not in world.hosts:
            world.machine(name, number + 1)
        nodes.append(Node(name, "1c1g", world.hosts[name].address, joined=True))
    record = PoolRecord("198.18.1.1", first + count - 1, tuple(nodes))
    context.store.save_pool("home", record)
    return record


def through_a_kill(world: World, lives: int, work: Callable[[], object], *, late: bool = False) -> None:
    """Do it with the controller dying after so many steps, and then once more; one that lives longer is as good."""
    world.lives, world.late = lives, late
    with pytest.raises(Killed):
        work()
        raise Killed
    world.lives = 999
    work()
