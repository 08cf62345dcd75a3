"""Whose turn it is when every node of a region is rebooted or upgraded, one at a time. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.errors import Refused
from du_infra.pool.names import number_of
from du_infra.pool.state import Node, NodeView

RoundKind: TypeAlias = Literal["reboot", "upgrade"]


@dataclass(frozen=True)
class Round:
    """A round that has begun: every node of the region once.

    ``done``: names of the nodes that have had their turn. ``turn``: the node whose turn was begun and has not ended, ""
    for none; ``boot`` is the mark of its boot then (control.node.boot). ``started`` in Unix seconds.
    """

    kind: RoundKind
    done: tuple[str, ...] = ()
    turn: str = ""
    boot: str = ""
    actor: str = ""
    started: float = 0.0


def turns(nodes: Iterable[Node], views: Mapping[str, NodeView], begun: Round) -> tuple[str, ...]:
    """The nodes that are left in a round, in the order of their turns; none is left when it has ended.

    A turn that was cut off ends before another begins. The holder of the region's address is the last, so that the
    address moves once; the others go by their numbers. Nodes on their way out have no turn.
    """
    left = [node for node in nodes if node.staying and node.name not in begun.done]
    return tuple(node.name for node in sorted(left, key=lambda node: _rank(node, views, begun)))


def next_turn(nodes: Collection[Node], views: Mapping[str, NodeView], begun: Round, *, force: bool = False) -> str:
    """The node whose turn it is, "" when the round has ended.

    Raises Refused when another node takes no requests, unless ``force``.
    """
    order = turns(nodes, views, begun)
    if not order:
        return ""
    if not force:
        refuse_unless_others_serve(order[0], nodes, views)
    return order[0]


def refuse_unless_others_serve(name: str, nodes: Iterable[Node], views: Mapping[str, NodeView]) -> None:
    """Raises Refused when ``name`` cannot be missed, because another node that is to stay takes no requests.

    A node without a view does not answer.
    """
    others = [node.name for node in nodes if node.staying and node.name != name]
    bad = [other for other in others if not (other in views and views[other].takes_requests)]
    if bad:
        todo = "`du-infra region status` says why; `du-infra region up` mends what can be mended"
        raise Refused(f"another node takes no requests now, so {name} stays", where=", ".join(bad), todo=todo)


def _rank(node: Node, views: Mapping[str, NodeView], begun: Round) -> tuple[bool, bool, int]:
    front = node.name in views and views[node.name].front
    return (node.name != begun.turn, front, number_of(node.name))
