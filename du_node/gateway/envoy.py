"""Envoy: put its files in place, in the order that loses nothing, and prove that it works by them. An adapter.

Envoy watches two files and loads each one that is renamed into place; a bad one it refuses, and stays with the old.
The clusters of a new table come first, beside the old ones, then the routes. Clusters that no route names any more go
with the next table; a request that is under way keeps its cluster even then. The proof: Envoy itself names the new
version, and fresh connections are answered with the new hash, several in a row.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from du_node import files, places, sockets
from du_node.command import run
from du_node.errors import NodeError
from du_node.gateway import envoy_admin, envoy_clusters, envoy_conf, proof
from du_node.gateway.envoy_admin import Loaded
from du_node.state import Gateway
from du_node.table import Table, pairs

_PROOFS = 3
_PROOF_TIME = 5.0
_START_TIME = 10.0
_LOOK = "see `systemctl status envoy` on the node"
_BAD = ("[warning]", "[error]", "[critical]")
_VERSION = re.compile(r"/(\d+\.\d+\.\d+)/")


@dataclass(frozen=True)
class Envoy:
    """Envoy with one thread: what it proves holds for every request that comes after.

    ``clusters`` and ``routes`` are the files that it watches, ``admin`` its own socket, ``port`` where it gives proof.
    """

    clusters: str = places.ENVOY_CLUSTERS
    routes: str = places.ENVOY_ROUTES
    admin: str = places.ENVOY_ADMIN
    port: int = proof.PORT

    kind = "envoy"
    program = "envoy"

    def observe(self) -> Gateway:
        """The gateway as it is: the routes of the live configuration, or of the stored one when Envoy is down."""
        table, disk = envoy_conf.read(files.read(self.routes))
        if not envoy_clusters.names(table) <= self._stored().keys():
            disk = ""
        running = envoy_admin.runs(self.admin)
        live, routes = proof.ask(self.port) if running else ("", {})
        return Gateway(running, routes if live else pairs(table), live, disk)

    def start(self) -> None:
        """Start Envoy by its service; one that runs stands still. Raises NodeError gateway with Envoy's own words."""
        self._have_files()
        if envoy_admin.runs(self.admin):  # it would not end in order, and be waited for
            run(["systemctl", "kill", "--signal=KILL", "envoy"])
        began = time.time()
        run(["systemctl", "reset-failed", "envoy"])
        done = run(["systemctl", "restart", "envoy"], timeout=60)
        deadline = time.monotonic() + _START_TIME
        while not done.code and not envoy_admin.loaded(self.admin) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not envoy_admin.loaded(self.admin):
            raise NodeError(
                "gateway",
                "Envoy does not start",
                todo=_LOOK,
                detail=_complaints(began) or done.err,
            )

    def set_table(self, table: Table) -> str:
        """Make Envoy work by ``table`` and prove it; its digest. Raises NodeError gateway; the old one stays then."""
        text, digest = envoy_conf.render(table)
        clusters, version = envoy_clusters.render(table, self._still_needed())
        self._put(
            self.clusters,
            clusters,
            refused=lambda told: told.clusters_refused,
            proven=lambda told: told.clusters == version,
        )
        self._put(
            self.routes,
            text,
            refused=lambda told: told.routes_refused,
            proven=lambda told: told.routes == digest == proof.ask(self.port)[0],
        )
        return digest

    def connections(self, port: int) -> int:
        """Those to the slot: Envoy chooses a slot, and connects to it, as soon as it has read a request's head."""
        return sockets.to_slot(port)

    def version(self) -> str:
        """Envoy's version, for example 1.40.0."""
        found = _VERSION.search(run(["envoy", "--version"]).out)
        return found.group(1) if found else ""

    def _stored(self) -> Mapping[str, envoy_clusters.Cluster]:
        return envoy_clusters.read(files.read(self.clusters))

    def _still_needed(self) -> Mapping[str, envoy_clusters.Cluster]:
        """The clusters that live routes name; all that there are when it is not sure which routes are live."""
        stored = self._stored()
        table, disk = envoy_conf.read(files.read(self.routes))
        if not disk or proof.ask(self.port)[0] != disk:
            return stored
        named = envoy_clusters.names(table)
        return {name: cluster for name, cluster in stored.items() if name in named}

    def _put(self, path: str, text: str, *, refused: Callable[[Loaded], int], proven: Callable[[Loaded], bool]) -> None:
        """Have Envoy load ``text``. The file as it was comes back when Envoy refuses it: its next start would fail."""
        began, before, already = time.time(), files.read(path), refused(self._told())
        if before != text:
            files.write(path, text, 0o644)
        if self._await(proven, lambda told: refused(told) > already):
            return
        if before:
            files.write(path, before, 0o644)
        raise NodeError(
            "gateway",
            f"Envoy did not take over {path} and keeps its old configuration",
            todo="see what Envoy says above",
            detail=_complaints(began),
        )

    def _told(self) -> Loaded:
        """What Envoy says; a busy machine, or a restart, may take it a moment."""
        began, deadline = time.time(), time.monotonic() + _PROOF_TIME
        while not (told := envoy_admin.loaded(self.admin)):
            if time.monotonic() > deadline:
                raise NodeError(
                    "gateway", "Envoy does not run, or does not answer", todo=_LOOK, detail=_complaints(began)
                )
            time.sleep(0.05)
        return told

    def _await(self, proven: Callable[[Loaded], bool], refused: Callable[[Loaded], bool]) -> bool:
        """Whether Envoy gives the proof several times in a row; not a moment longer than it has said no."""
        deadline = time.monotonic() + _PROOF_TIME
        in_a_row = 0
        while time.monotonic() < deadline:
            told = envoy_admin.loaded(self.admin)
            if told and refused(told):
                return False
            in_a_row = in_a_row + 1 if told and proven(told) else 0
            if in_a_row >= _PROOFS:
                return True
            if not in_a_row:
                time.sleep(0.005)
        return False

    def _have_files(self) -> None:
        """Envoy does not start without the files that it is to watch."""
        for path, text in ((self.clusters, envoy_clusters.render(())[0]), (self.routes, envoy_conf.render(())[0])):
            if not files.read(path):
                files.write(path, text, 0o644)


def _complaints(since: float) -> str:
    """What Envoy has complained of since then (unix time). Its words may reach the journal a moment after the deed."""
    argv = ["journalctl", "-u", "envoy", "-S", f"@{since:.3f}", "-o", "cat", "--no-pager"]
    for _ in range(10):
        lines = [line for line in run(argv).out.splitlines() if line.startswith(_BAD)]
        if lines:
            return "\n".join(lines[-5:])
        time.sleep(0.1)
    return ""
