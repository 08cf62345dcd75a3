"""Nodes over SSH, for a rollout (release.driver.Nodes). No decision is made here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.observe import http_get, observe_nodes
from du_infra.control.release.cuts import time_for
from du_infra.control.release.words import failure_of, line_of
from du_infra.control.secrets import send_secrets
from du_infra.engines import ssh
from du_infra.errors import DuError, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.release.driver import Cut, Listener, Told
from du_infra.release.secrets import Secrets
from du_infra.release.state import Json

_HTTP_SECONDS = 2.0
_MARGIN_SECONDS = 120.0


class SshNodes:
    """The nodes in ``record``; ``secrets`` are the values that releases may need."""

    def __init__(self, context: RegionContext, record: PoolRecord, secrets: Secrets) -> None:
        self._context = context
        self._vip = record.vip
        self._nodes = {node.name: node for node in record.nodes}
        self._secrets = secrets

    def look(self, nodes: Sequence[str]) -> list[NodeReport]:
        """See Nodes."""
        return observe_nodes(self._context, [self._nodes[name] for name in nodes])

    def apply(self, node: str, wanted: Json, listen: Listener, *, now: bool = False) -> Told:
        """See Nodes."""
        lines = _Lines(listen)
        argv = ["du-node", "apply", *(["--now"] if now else [])]
        done = self._stream(node, argv, {**wanted, "node": node}, wanted, lines, time_for(wanted))
        if done.rc == 0 or lines.ended:
            return lines.told
        raise lines.error(node, done)

    def before(self, node: str, order: Json, listen: Listener) -> None:
        """See Nodes."""
        lines = _Lines(listen)
        seconds = float(order["timeout"]) + _MARGIN_SECONDS
        done = self._stream(node, ["du-node", "before"], order, {"services": [order["service"]]}, lines, seconds)
        if done.rc != 0:
            raise lines.error(node, done)

    def stop_before(self, node: str, order: Json) -> None:
        """See Nodes."""
        lines = _Lines(lambda _: None)
        seconds = float(order["service"]["stop_grace"]) + _MARGIN_SECONDS
        done = self._stream(node, ["du-node", "before", "--stop"], order, {"services": []}, lines, seconds)
        if done.rc != 0:
            raise lines.error(node, done)

    def releases(self, node: str) -> Mapping[str, Mapping[str, Any]]:
        """See Nodes."""
        found: Mapping[str, Mapping[str, Any]] = _readyz(self._nodes[node].address).get("releases") or {}
        return found

    def front(self) -> str:
        """See Nodes."""
        name = str(_readyz(self._vip).get("node") or "")
        return name if name in self._nodes else ""

    def _stream(
        self, node: str, argv: list[str], order: Json, wanted: Json, lines: _Lines, seconds: float
    ) -> ssh.Result:
        """Send the secrets that ``wanted`` names, then the order. Raises Cut when the connection does not hold."""
        target = self._context.target(self._nodes[node])
        try:
            send_secrets(target, wanted, self._secrets)
            return ssh.stream(target, argv, json.dumps(order), lines.hear, timeout=seconds)
        except Unreachable as error:
            raise Cut(error.what, where=error.where, todo=error.todo, detail=error.detail) from error


class _Lines:
    """What du-node says while it works, line by line."""

    def __init__(self, listen: Listener) -> None:
        self._listen = listen
        self._failed: dict[str, Mapping[str, Any]] = {}
        self._held: tuple[str, ...] = ()
        self._reports: dict[str, Mapping[str, Any]] = {}
        self._last: Mapping[str, Any] = {}
        self.ended = False

    @property
    def told(self) -> Told:
        """How the apply ended."""
        return Told(self._failed, self._held, self._reports)

    def hear(self, text: str) -> None:
        """One line of du-node's output."""
        line = line_of(text)
        if line.get("kind") == "error":
            self._last = line
            self._failed.setdefault(str(line.get("service") or ""), line)
        elif line.get("kind") == "report":
            self._reports[str(line.get("service"))] = line
        elif line.get("kind") == "result":
            self.ended = True
            self._held = tuple(line.get("held") or ())
        self._listen(line)

    def error(self, node: str, done: ssh.Result) -> DuError:
        """What stopped du-node before its result."""
        return failure_of(node, self._last, done)


def _readyz(address: str) -> Mapping[str, Any]:
    """What /readyz says, ready or not; empty when nothing answers."""
    try:
        _, body = http_get(address, "/readyz", timeout=_HTTP_SECONDS)
        told = json.loads(body)
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
