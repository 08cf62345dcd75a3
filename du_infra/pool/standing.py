"""What a region's pool is, by the machines that somebody else's Terraform left. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from du_infra.errors import Refused
from du_infra.pool.names import number_of
from du_infra.pool.plan import PoolRecord, PoolWish, adopt, not_up
from du_infra.pool.state import Machine, Node


@dataclass(frozen=True)
class Standing:
    """The pool as it stands.

    ``joined`` are new; ``returned`` were on their way out and are asked for again; ``left`` were on their way out and
    their machines are gone; ``lost`` are gone without having left; ``ignored`` carry our mark and nobody asks for them.
    ``stopped`` should serve and do not run.
    """

    record: PoolRecord
    joined: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()

    def wanted(self, before: int) -> int:
        """How many nodes the region is to have from now on; ``before``: how many it was to have.

        As many as stay. For a node that is to be replaced another may have been made already, or not.
        """
        stay, replaced = len(self.record.staying), sum(n.state == "replaced" for n in self.record.nodes)
        return min(max(stay, before), stay + replaced)


def plan_standing(
    wish: PoolWish,
    record: PoolRecord,
    machines: Iterable[Machine],
    owner: str,
    asked: Collection[str] | None = None,
) -> Standing:
    """The pool that stands, given what is recorded and what the provider has.

    ``owner`` is the mark of our own machines. ``asked`` are the nodes that Terraform was asked for: a machine of ours
    that is not recorded joins when it is among them; None where nobody knows, and then every one does. A node that is
    recorded and there stays, asked for or not: it leaves in another way. No number is given out again.

    Raises Refused for a region that is not up, and for one with no node left.
    """
    if not record.vip or not record.nodes:
        raise not_up(wish.region)
    ours = {m.name: m for m in machines if m.owner == owner and m.region == wish.region}
    known = {n.name for n in record.nodes}
    fresh = [m for m in ours.values() if m.name not in known]
    joining = sorted((m for m in fresh if asked is None or m.name in asked), key=lambda m: number_of(m.name))
    kept = [_asked_for(n, asked or ()) for n in record.nodes if n.name in ours]
    gone = [n for n in record.nodes if n.name not in ours]
    nodes = (*kept, *(adopt(m, wish, record.vip) for m in joining))
    if not nodes:
        todo = f"`du-infra region up {wish.region}` makes them again, `region down` forgets the region"
        raise Refused("none of the region's machines is left", where=f"region {wish.region}", todo=todo)
    return Standing(
        record=replace(record, nodes=nodes, counter=max([record.counter, *map(number_of, (*ours, *known))])),
        joined=tuple(m.name for m in joining),
        returned=tuple(n.name for n in kept if n.state == "returning"),
        left=tuple(n.name for n in gone if n.state == "leaving"),
        lost=tuple(n.name for n in gone if n.state != "leaving" and n.joined),
        ignored=tuple(sorted(m.name for m in fresh if m not in joining)),
        stopped=tuple(n.name for n in nodes if n.staying and ours[n.name].status != "running"),
    )


def _asked_for(node: Node, asked: Collection[str]) -> Node:
    """A node that stands; when it was on its way out and is asked for, it is to get requests again."""
    return replace(node, state="returning") if node.state == "leaving" and node.name in asked else node
