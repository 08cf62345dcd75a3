"""A node with a gateway and two slots for it, driven by the gateway's own driver: no containers, no planner."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from typing import Any

from du_infra.assets import asset
from du_node.state import Route
from du_node.table import Entry, Upstream
from tests.region.conftest import push
from tests.region.du_node_bed import Node

BLUE = Upstream("blue", 20000, "v1-abc", "v1", "sha256:1")
GREEN = Upstream("green", 20001, "v2-def", "v2", "sha256:2")

_DRIVER = """
import dataclasses, json, sys, time
sys.path.insert(0, "/usr/local/bin/du-node")
from du_node import gateway
from du_node.errors import NodeError
from du_node.table import from_json
driver = gateway.chosen()
asked = json.load(sys.stdin)
def say(**told): print(json.dumps(told, default=dataclasses.asdict), flush=True)
"""
_SET = """
for table in asked:
    began = time.monotonic()
    try:
        digest = driver.set_table(tuple(map(from_json, table)))
        say(digest=digest, seconds=time.monotonic() - began)
    except NodeError as trouble:
        say(**trouble.line())
"""
_SEE = "say(**dataclasses.asdict(driver.observe()), version=driver.version())"
_LOG = """
from du_node.observation.access import PATH, parse
say(attempts=[[a.port, a.status, a.failed] for line in open(PATH) for a in parse(line)[1]])
"""
# A table is written wrong on purpose, as no table of ours can be.
_SPOIL = {
    "nginx": "from du_node.gateway import nginx_conf as conf; wrong = ('proxy_pass ', 'proxy_pas ')",
    "envoy": 'from du_node.gateway import envoy_conf as conf; wrong = ("POST|LOCK", "(")',
}
_SPOILED = """
whole = conf.render
conf.render = lambda table: (whole(table)[0].replace(*wrong), "0" * 16)
"""


@dataclass
class Gateway:
    """The gateway of ``node``, with slots blue (v1) and green (v2) that are the sample service."""

    node: Node

    def prepare(self) -> None:
        """Put the sample service on the node, and du-node's own service out of the way."""
        push("-r", str(asset("samples") / "hello"), f"{self.node.name}/opt/")
        self.node.sh("systemctl disable --now du-node")
        self.slots()

    def slots(self) -> None:
        """Have both slots run."""
        for side in (BLUE, GREEN):
            unit = f"slot-{side.slot}"
            env = f"-E HELLO_PORT={side.port} -E HELLO_VERSION={side.tag}"
            script = f"systemctl is-active -q {unit} || systemd-run -q --unit={unit} {env} python3 /opt/hello/app.py"
            wait = f"until (exec 3<>/dev/tcp/127.0.0.1/{side.port}) 2>/dev/null; do sleep 0.05; done"
            done = self.node.sh(f"{script}; timeout 10 bash -c '{wait}'")
            assert done.returncode == 0, done.stderr

    def kill(self, side: Upstream) -> None:
        """The slot's process dies, and stays dead."""
        self.node.sh(f"systemctl kill -s KILL slot-{side.slot}; systemctl reset-failed slot-{side.slot}")

    def set(self, *tables: tuple[Entry, ...]) -> list[dict[str, Any]]:
        """Each table in turn: {"digest", "seconds"}, or the error's line."""
        return self._run(_SET, [[asdict(item) for item in table] for table in tables])

    def set_spoiled(self, *table: Entry) -> dict[str, Any]:
        """The same with a configuration that no gateway accepts."""
        code = f"{_SPOIL[self.node.gateway]}\n{_SPOILED}{_SET}"
        return self._run(code, [[asdict(item) for item in table]])[0]

    def see(self) -> dict[str, Any]:
        """What the driver observes."""
        return self._run(_SEE, None)[0]

    def attempts(self) -> list[tuple[int, int, bool]]:
        """(port, status, failed) of every attempt in the access log, with what the gateway still held back."""
        self.node.sh("sleep 1.2")
        return [(port, status, failed) for port, status, failed in self._run(_LOG, None)[0]["attempts"]]

    def ask(self, path: str = "/", *, port: int = 80, **how: Any) -> Answer:
        """One request on a connection of its own."""
        link = HTTPConnection(self.node.address, port, timeout=10)
        try:
            link.request(how.get("method", "GET"), path, how.get("body"), how.get("headers", {}))
            got = link.getresponse()
            text = got.read().decode()
            return Answer(got.status, text, got.getheader("X-Du-Release") or "", got.getheader("Set-Cookie") or "")
        finally:
            link.close()

    def _run(self, code: str, asked: object) -> list[dict[str, Any]]:
        argv = f"python3 -ISc '{(_DRIVER + code).replace(chr(39), chr(39) + chr(92) + chr(39) + chr(39))}'"
        done = self.node.sh(argv, json.dumps(asked))
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    text: str
    release: str
    cookie: str


def hello(primary: Upstream = BLUE, *, name: str = "hello", host: str = "", path: str = "/", **more: Any) -> Entry:
    """A service in the table."""
    return Entry(name, Route(host, path), primary, **more)
