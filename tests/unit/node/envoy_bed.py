"""A real Envoy on this machine's loopback, with the role's own settings on other ports, and slots for it."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import envoy

from du_node import places
from du_node.gateway import envoy_clusters, envoy_conf
from du_node.gateway.envoy import Envoy
from tests.templates import rendered

PROGRAM = Path(envoy.__file__).parent / "_bin" / "envoy"


class Slot(BaseHTTPRequestHandler):
    """Answers with its name, and with what it was sent; with the status and the header that it is asked for."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/slow"):
            time.sleep(1)
        name = getattr(self.server, "name", "")
        if isinstance(self.server, Server):
            self.server.used[self.client_address[1]].append(time.monotonic())
        told = {"name": name, "method": self.command, "path": self.path, "size": len(body), **self._headers()}
        text = json.dumps(told).encode()
        self.send_response(int(self.headers.get("X-Answer", "200")))
        self.send_header("Content-Length", str(len(text)))
        if extra := self.headers.get("X-Answer-Header"):
            self.send_header(extra, "1")
        self.end_headers()
        self.wfile.write(text)

    do_POST = do_PUT = do_GET

    def _headers(self) -> dict[str, str]:
        return {name.lower(): value for name, value in self.headers.items()}

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A slot's process; ``stop`` is a crash: what is under way is cut off.

    ``used``: by connection, the moments of its requests.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, name: str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Slot)
        self.name = name
        self.used: dict[int, list[float]] = defaultdict(list)
        self._open: set[socket.socket] = set()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
        for link in list(self._open):
            super().shutdown_request(link)


@dataclass(frozen=True)
class Bed:
    """Where this Envoy is reached."""

    web: int
    preview: int
    folder: Path
    driver: Envoy
    process: subprocess.Popen[bytes]
    address: str = "127.0.0.1"

    def ask(self, path: str = "/", *, port: int = 0, host: str = "", **how: Any) -> tuple[HTTPResponse, dict[str, Any]]:
        """One request on a connection of its own; the answer and what the slot was sent."""
        link = HTTPConnection(self.address, port or self.web, timeout=10)
        headers = {**how.pop("headers", {}), **({"Host": host} if host else {})}
        link.request(how.pop("method", "GET"), path, how.pop("body", None), headers)
        answer = link.getresponse()
        text = answer.read()
        link.close()
        return answer, json.loads(text) if text.startswith(b"{") else {"text": text.decode()}

    def log(self) -> list[str]:
        """The access log, once Envoy has written what it holds back."""
        time.sleep(0.3)
        return (self.folder / "access.log").read_text().splitlines()


@contextmanager
def running(folder: Path, address: str = "127.0.0.1") -> Iterator[Bed]:
    """An Envoy that works by an empty table, and its driver. Its entrances for clients and peers are at ``address``."""
    web, preview, asked, alive = free_ports(4)
    (folder / "du").mkdir()
    (folder / "du" / "clusters.json").write_text(envoy_clusters.render(())[0])
    (folder / "du" / "routes.json").write_text(envoy_conf.render(())[0])
    entrances = [("web", address, web), ("preview", address, preview), ("proof", "127.0.0.1", asked)]
    entrances += [("peer", address, places.PEER_PORT)] if address != "127.0.0.1" else []
    config = folder / "bootstrap.yaml"
    config.write_text(
        rendered(
            "envoy",
            "bootstrap.yaml.j2",
            envoy_routes=folder / "du",
            envoy_admin=folder / "admin.sock",
            envoy_readyz=folder / "readyz.sock",
            envoy_status_port=alive,
            envoy_entrances=entrances,
        )
    )
    driver = Envoy(f"{folder}/du/clusters.json", f"{folder}/du/routes.json", f"{folder}/admin.sock", asked)
    # It ends with the tests, also when these are killed.
    argv = [
        "setpriv",
        "--pdeathsig",
        "KILL",
        str(PROGRAM),
        "-c",
        str(config),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "warning",
    ]
    with (folder / "access.log").open("ab") as log, (folder / "log").open("wb") as errors:
        process = subprocess.Popen([*argv, "--file-flush-interval-msec", "100"], stdout=log, stderr=errors)
    try:
        deadline = time.monotonic() + 10
        while not driver.observe().running:
            assert time.monotonic() < deadline and process.poll() is None, (folder / "log").read_text()
            time.sleep(0.02)
        yield Bed(web, preview, folder, driver, process, address)
    finally:
        process.terminate()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Ports that nobody has at the moment."""
    links = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [link.getsockname()[1] for link in links]
    for link in links:
        link.close()
    return ports
