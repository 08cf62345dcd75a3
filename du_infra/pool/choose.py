"""Which nodes leave when a region shrinks, and which are taken back when it grows again. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from du_infra.errors import Refused
from du_infra.pool.names import number_of
from du_infra.pool.state import Node, NodeView

Worth: TypeAlias = tuple[bool, bool, bool, bool, bool, int]


def choose_leaving(nodes: Iterable[Node], views: Mapping[str, NodeView], count: int) -> tuple[str, ...]:
    """The ``count`` nodes that are missed least, the first to go first.

    Those that never joined go first, then those that do not answer or are not ready, then drained ones, then those
    that do not hold the region's address; of equals the one with the highest number. A server of the region's cluster
    goes last of all: its disk has what the cluster knows. A node without a view does not answer. Raises Refused when
    no node, or no ready one of those that are ready now, would be left.
    """
    by_worth = _by_worth(nodes, views)
    going, left = by_worth[: max(0, count)], by_worth[max(0, count) :]
    if going and not left:
        raise Refused(
            "no node would be left",
            where=", ".join(going),
            todo="`du-infra region down` takes the whole region away",
        )
    ready = {name for name, view in views.items() if view.answers and view.ready}
    if ready & {*going} and not ready & {*left}:
        raise Refused(
            "no ready node would be left",
            where=", ".join(left),
            todo="see `du-infra region status`; `du-infra region up` mends what can be mended",
        )
    return tuple(going)


def choose_returning(nodes: Iterable[Node], views: Mapping[str, NodeView], count: int) -> tuple[str, ...]:
    """Of nodes on their way out the ``count`` that are best taken back, the best first."""
    return tuple(reversed(_by_worth(nodes, views)))[: max(0, count)]


def _by_worth(nodes: Iterable[Node], views: Mapping[str, NodeView]) -> list[str]:
    return [node.name for node in sorted(nodes, key=lambda node: _worth(node, views.get(node.name)))]


def _worth(node: Node, view: NodeView | None) -> Worth:
    """The smaller, the less it is missed."""
    view = view or NodeView(node.name, answers=False, ready=False)
    return (view.server, node.joined, view.answers and view.ready, not view.drained, view.front, -number_of(node.name))
