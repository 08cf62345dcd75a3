"""What a rollout writes down while it works: the rows of history, and which node was asked for what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from du_infra.errors import DuError
from du_infra.release.state import Rollout, State
from du_infra.store.rollouts import Rollouts


class Log:
    """The rows of one piece of work, usually one; none where a region is only mended."""

    def __init__(self, table: Rollouts, rollouts: Sequence[Rollout], nodes: Sequence[str]) -> None:
        self._table = table
        self.rollouts = list(rollouts)
        known = rollouts[0].nodes if rollouts else {}
        self._asked = {node for node, told in known.items() if told.get("asked")}
        self._nodes = list(nodes)

    def has(self, node: str) -> bool:
        """Whether the node is in the region now."""
        return node in self._nodes

    def asked(self, node: str) -> bool:
        """Whether this rollout ever asked the node for the new release."""
        return node in self._asked

    def ask(self, nodes: Iterable[str]) -> None:
        """Write down, before it is done, that these nodes are asked for the new release."""
        self._asked |= set(nodes)
        self._write(lambda rollout, node: {"asked": node in self._asked})

    def serves(self, node: str, releases: Mapping[str, str] | None, reports: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down what a node serves now, by service (None: what it did), and what was observed there."""

        def told(rollout: Rollout, name: str) -> dict[str, Any]:
            if name != node:
                return {}
            report = reports.get(rollout.service)
            serving = {} if releases is None else {"serves": releases.get(rollout.service, "")}
            return serving | ({"report": dict(report)} if report else {})

        self._write(told)

    def turn(self, error: DuError) -> None:
        """From now on the way is back, and this is why; a reason that stands there already stays."""
        self._change(lambda row: {"direction": "back"} | ({} if row.why else _reason(error)))

    def blame(self, error: DuError) -> None:
        """Write down why it does not go on; a reason that stands there already stays."""
        self._change(lambda row: {} if row.why else _reason(error))

    def note(self, **fields: Any) -> None:
        """Set fields of every row."""
        self._change(lambda _: fields)

    def remark(self, text: str) -> None:
        """Add a line to what is told of every row's end."""
        self._change(lambda row: {"detail": f"{row.detail}\n{text}".strip()})

    def option(self, number: int, **fields: Any) -> None:
        """Add to one row's options."""
        self._change(lambda row: {"options": {**row.options, **fields}} if row.id == number else {})

    def end(self, state: Callable[[Rollout], State]) -> None:
        """Close every row, each as ``state`` says."""
        self.rollouts = [self._table.end(row.id, state(row)) for row in self.rollouts]

    def request(self) -> str:
        """Who asked for this to be aborted; "" for nobody."""
        return next((found.request for row in self.rollouts if (found := self._table.get(row.id)).request), "")

    def _write(self, told: Callable[[Rollout, str], dict[str, Any]]) -> None:
        def nodes(rollout: Rollout) -> dict[str, Any]:
            names = [*self._nodes, *(name for name in rollout.nodes if name not in self._nodes)]
            return {"nodes": {name: {**rollout.nodes.get(name, {}), **told(rollout, name)} for name in names}}

        self._change(nodes)

    def _change(self, fields: Callable[[Rollout], dict[str, Any]]) -> None:
        self.rollouts = [
            self._table.change(rollout.id, **changed) if (changed := fields(rollout)) else rollout
            for rollout in self.rollouts
        ]


def _reason(error: DuError) -> dict[str, Any]:
    return {"why": str(error), "detail": error.detail}
