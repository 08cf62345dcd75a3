"""`du-node k3s …` and `k3s …` on a region's nodes, over SSH. Nothing is decided here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.release.words import failure_of, last_error, line_of, listener
from du_infra.engines import ssh
from du_infra.errors import DuError, EngineFailed
from du_infra.pool.state import Node
from du_infra.progress import Reporter

STAGE = "cluster"

_STATE_SECONDS = 60.0
_MARGIN_SECONDS = 60.0


@dataclass(frozen=True)
class Nodes:
    """The nodes of a region."""

    context: RegionContext
    report: Reporter

    def state(self, node: Node) -> Mapping[str, Any] | None:
        """How K3s stands there (du_node.k3s.state); None when the node does not say."""
        try:
            done = ssh.run(self.context.target(node), ["du-node", "k3s", "state"], timeout=_STATE_SECONDS)
            told = json.loads(done.stdout) if done.rc == 0 else None
        except (DuError, ValueError):
            return None
        return told if isinstance(told, dict) else None

    def order(self, node: Node, verb: str, order: Mapping[str, Any] | Path, seconds: float) -> None:
        """Have du-node do something with K3s. What is secret goes through standard input.

        Where the order is a file, what du-node says on the way comes at its end. Raises Unreachable, or the error that
        du-node told.
        """
        lines: list[Mapping[str, Any]] = []
        listen = listener(self.report, STAGE, node.name)

        def hear(text: str) -> None:
            lines.append(line_of(text))
            listen(lines[-1])

        argv, limit = ["du-node", "k3s", verb], seconds + _MARGIN_SECONDS
        if isinstance(order, Path):
            done = ssh.run(self.context.target(node), argv, stdin=order, timeout=limit)
            for text in done.stdout.splitlines():
                hear(text)
        else:
            done = ssh.stream(self.context.target(node), argv, json.dumps(order), hear, timeout=limit)
        if done.rc != 0:
            raise failure_of(node.name, last_error(lines), done)

    def k3s(self, server: Node, words: Sequence[str], *, seconds: float = 60.0, what: str = "") -> str:
        """What `k3s WORDS` says on a server. Raises Unreachable; EngineFailed, which says ``what`` did not go."""
        done = ssh.run(self.context.target(server), ["k3s", *words], timeout=seconds)
        if done.rc != 0:
            tail = "\n".join(done.stderr.strip().splitlines()[-20:])
            words_ = what or f"`k3s {' '.join(words[:3])}` failed"
            raise EngineFailed(words_, where=server.name, todo="mend it and run the same command again", detail=tail)
        return done.stdout

    def read(self, node: Node, path: str) -> str:
        """A file of the node. Raises Unreachable; EngineFailed where there is none."""
        done = ssh.run(self.context.target(node), ["cat", path])
        if done.rc != 0:
            todo = f"see `du-infra region status {self.context.name}`"
            raise EngineFailed(f"{path} cannot be read", where=node.name, todo=todo, detail=done.stderr)
        return done.stdout

    def kubectl(self, server: Node, words: Sequence[str], *, seconds: float = 60.0, what: str = "") -> str:
        """``k3s`` for `k3s kubectl WORDS`."""
        return self.k3s(server, ["kubectl", *words], seconds=seconds, what=what)
