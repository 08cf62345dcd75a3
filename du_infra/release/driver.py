"""What a rollout asks of nodes. One implementation over SSH (control.release.nodes), one in the tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from du_infra.errors import Unreachable
from du_infra.health.state import NodeReport
from du_infra.release.state import Json

Listener: TypeAlias = Callable[[Mapping[str, Any]], None]


class Cut(Unreachable):
    """The connection to a node was cut or never came about; what runs there goes on. (A registry that does not answer
    the node is Unreachable, too, and no cut.)
    """


@dataclass(frozen=True)
class Told:
    """How an apply on one node ended: error lines by service ("" for the node itself), what is held, the numbers."""

    failed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Nodes(Protocol):
    """The nodes of one region, by name."""

    def look(self, nodes: Sequence[str]) -> list[NodeReport]:
        """How they are, in their order; one that does not answer is a report that says so."""

    def apply(self, node: str, wanted: Json, listen: Listener, *, now: bool = False) -> Told:
        """Have a node do what is wanted, secrets included; ``listen`` gets du-node's lines as they come.

        ``now`` ends an apply that is at work there. Raises Cut when the connection is cut, which stops nothing on the
        node; Busy when du-node is at work and ``now`` was not said.
        """

    def before(self, node: str, order: Json, listen: Listener) -> None:
        """Run a release's ``before`` command; the same order again waits for it, or tells how it ended.

        Raises EngineFailed with the command's last words, Cut when the connection is cut.
        """

    def stop_before(self, node: str, order: Json) -> None:
        """Stop that command, with its grace period; one that has not begun never will, and one that has ended is left.

        Raises Cut when the connection is cut, Busy when du-node is at work on something else.
        """

    def releases(self, node: str) -> Mapping[str, Mapping[str, Any]]:
        """What the node's own gateway tells of each service at /readyz: release and readiness; empty: no answer."""

    def front(self) -> str:
        """The node that holds the VIP now; "" when none answers there."""
