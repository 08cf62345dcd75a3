"""Two nodes on this machine's loopback: a real gateway each, on an address of its own, and slots behind them."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

from du_node import places
from du_node.gateway import nginx_conf, nginx_parts, proof
from du_node.observation.access import Attempt, parse
from du_node.state import Route
from du_node.table import Entry, Peer, Table, Upstream
from tests.unit.node.envoy_bed import Server, free_ports
from tests.unit.node.envoy_bed import running as envoy_running
from tests.unit.node.test_nginx_conf import nginx


@dataclass
class Node:
    """A gateway at ``address``, port ``web``. ``set`` gives it a table; ``slots`` are its own."""

    name: str
    address: str
    web: int
    set: Callable[[Table], object]
    log: Path
    process: subprocess.Popen[bytes]
    slots: tuple[Server, Server] = ()  # type: ignore[assignment]

    @property
    def peer(self) -> Peer:
        """The node as the others see it."""
        return Peer(self.name, self.address)

    def hello(self, *peers: Node, **more: Any) -> Entry:
        """The service on this node's blue slot, shared with ``peers``."""
        sides = {key: self.side(1) if value is True and key != "sticky" else value for key, value in more.items()}
        others = tuple(node.peer for node in peers)
        return Entry("hello", Route(), self.side(0), shared=True, peers=others, **sides)

    def side(self, number: int) -> Upstream:
        """Blue is 0, green is 1. The release is v1 or v2, the same on every node."""
        colour, tag = ("blue", "v1") if number == 0 else ("green", "v2")
        return Upstream(colour, self.slots[number].server_port, f"{tag}-abc", tag, "sha256:1")

    def ask(self, path: str = "/", *, port: int = 0, **how: Any) -> tuple[HTTPResponse, dict[str, Any]]:
        """One request on a connection of its own; the answer, and what the slot was sent."""
        link = HTTPConnection(self.address, port or self.web, timeout=10)
        link.request(how.get("method", "GET"), path, how.get("body"), how.get("headers", {}))
        answer = link.getresponse()
        text = answer.read()
        link.close()
        return answer, json.loads(text) if text.startswith(b"{") else {"name": "", "text": text.decode()}

    def attempts(self) -> list[Attempt]:
        """Whom the gateway asked, once it has written what it holds back."""
        time.sleep(0.3)
        return [attempt for line in self.log.read_text().splitlines() for attempt in parse(line)[1]]


@contextmanager
def running(kind: str, folder: Path, address: str) -> Iterator[Node]:
    """A node whose gateway works by an empty table."""
    folder.mkdir()
    gateways: dict[str, Callable[[Path, str], AbstractContextManager[Node]]] = {"nginx": _nginx, "envoy": _envoy}
    with gateways[kind](folder, address) as node:
        yield node


@contextmanager
def _envoy(folder: Path, address: str) -> Iterator[Node]:
    with envoy_running(folder, address) as bed:
        yield Node(folder.name, address, bed.web, bed.driver.set_table, folder / "access.log", bed.process)


@contextmanager
def _nginx(folder: Path, address: str) -> Iterator[Node]:
    web, preview, asked = free_ports(3)
    conf = folder / "du.conf"

    def write(table: Table) -> str:
        text, digest = nginx_conf.render(table)
        for port, ours in ((80, web), (8081, preview), (places.PEER_PORT, places.PEER_PORT)):
            text = text.replace(f"listen {port}", f"listen {address}:{ours}")
        text = text.replace("127.0.0.1:19080", f"127.0.0.1:{asked}").replace("/var/log/du/", f"{folder}/")
        text = text.replace("flush=1s", "flush=50ms")
        conf.write_text(text.replace(nginx_parts.READYZ_SOCKET, f"{folder}/readyz.sock"))
        return digest

    def proven(digest: str) -> None:
        deadline, in_a_row = time.monotonic() + 10, 0
        while in_a_row < 3:
            in_a_row = in_a_row + 1 if proof.ask(asked)[0] == digest else 0
            assert time.monotonic() < deadline, (folder / "errors").read_text()
            time.sleep(0.02)

    def set_table(table: Table) -> None:
        digest = write(table)
        process.send_signal(signal.SIGHUP)
        proven(digest)

    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temps = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    main = f"daemon off; user root; worker_processes 1; pid {folder}/pid; error_log {folder}/errors;\nevents {{}}\n"
    (folder / "main.conf").write_text(f"{main}http {{ access_log off; {temps} include {conf}; }}\n")
    digest = write(())
    argv = ["setpriv", "--pdeathsig", "TERM", nginx(), "-p", str(folder), "-c", str(folder / "main.conf")]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    try:
        proven(digest)
        yield Node(folder.name, address, web, set_table, folder / "access.log", process)
    finally:
        process.terminate()
        process.wait()
