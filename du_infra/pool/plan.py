"""Which nodes a region should have, under which names and addresses. Pure: no I/O.

A name is ``<fleet>-<region>-<number>``. A number that was given out once is never given out again while the
region lives, so a node that was lost is followed by one with a new name: nothing that remembers the old one
(a pinned host key, a cluster membership) can mistake the new one for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from du_infra.errors import Refused, SpecError
from du_infra.pool.choose import choose_leaving, choose_returning
from du_infra.pool.names import node_name
from du_infra.pool.names import number_of as number_of
from du_infra.pool.state import Machine, Network, Node, NodeState, NodeView
from du_infra.pool.survey import Survey


@dataclass(frozen=True)
class PoolRecord:
    """What the store remembers of a region's pool; ``counter`` is the highest number ever given out."""

    vip: str = ""
    counter: int = 0
    nodes: tuple[Node, ...] = ()

    @property
    def staying(self) -> tuple[Node, ...]:
        """The nodes that the region counts on."""
        return tuple(node for node in self.nodes if node.staying)

    @property
    def going(self) -> tuple[str, ...]:
        """Names of the nodes that are on their way out, or go as soon as another stands in for them."""
        return tuple(node.name for node in self.nodes if not node.staying)

    @property
    def returning(self) -> tuple[str, ...]:
        """Names of the nodes that are to get requests again."""
        return tuple(node.name for node in self.nodes if node.state == "returning")

    def named(self, name: str) -> Node:
        """The node of this name. Raises SpecError, which names those there are."""
        found = next((node for node in self.nodes if node.name == name), None)
        if found is None:
            names = ", ".join(node.name for node in self.nodes) or "none"
            raise SpecError("the region has no such node", where=name, todo=f"its nodes are: {names}")
        return found

    def without(self, names: Collection[str]) -> PoolRecord:
        """The pool as it is when these nodes are gone."""
        return replace(self, nodes=tuple(node for node in self.nodes if node.name not in names))


def not_up(region: str) -> Refused:
    """The error for what can only be done to a region that is up."""
    return Refused("the region is not up", where=f"region {region}", todo=f"`du-infra region up {region}`")


@dataclass(frozen=True)
class PoolWish:
    """What is asked of a pool: how many nodes (by fleet.yaml, or by a scale), and how large each is."""

    fleet: str
    region: str
    nodes: int
    size: str


@dataclass(frozen=True)
class PoolPlan:
    """The pool as it should become.

    ``record`` still has the nodes that are to leave, marked so. ``created`` are still to be made. ``lost`` had joined
    and are not on the provider any more; ``adopted`` are on the provider, carry our owner mark and were not recorded.
    ``stopped`` exist and do not run. ``resized`` were recorded with another size. ``leaving`` are to be drained and
    destroyed once the others serve; ``returned`` were on their way out, or out of service, and are taken back.
    """

    record: PoolRecord
    created: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()


def plan_pool(
    wish: PoolWish,
    record: PoolRecord,
    machines: Iterable[Machine] | Survey,
    network: Network,
    owner: str,
    views: Mapping[str, NodeView] | None = None,
) -> PoolPlan:
    """The pool that ``wish`` asks for, given what is recorded and what the provider has.

    ``machines`` are all of the provider's; who plans many regions gives one Survey to all of these plans.
    ``owner`` is the mark of our own machines; ``views``, by name, say how the nodes are, for choosing which leave (a
    node without one does not answer). What was given out and never made (a run was killed, Terraform failed) binds
    nobody: it is dropped when fewer nodes are wanted, and gets another address when somebody has taken that one.

    Nodes beyond those wanted leave; nodes on their way out are taken back when more are wanted, but for those that
    are to be replaced. Raises Refused when a machine of somebody else stands where ours should, when no ready node
    would be left, or when the network has no address left.
    """
    survey, views = machines if isinstance(machines, Survey) else Survey(machines), views or {}
    _refuse_strangers(survey.strangers(wish.fleet, wish.region, owner))
    ours = survey.ours(wish.region, owner)
    gone = {n.name for n in record.nodes if n.name not in ours and (n.joined or not n.staying)}
    lost = tuple(n.name for n in record.nodes if n.name in gone and n.state != "leaving")
    known = [replace(n, size=wish.size) for n in record.nodes if n.name not in gone]
    adopted = [adopt(m, wish, record.vip) for m in ours.values() if m.name not in {n.name for n in known}]
    marked = _marked(wish, _kept(wish, [*known, *adopted], ours), views)
    vip = "" if not ours and survey.held(record.vip, ()) else record.vip
    free = survey.free(network, [*(n.address for n in marked), vip])
    vip = vip or next(free)
    lapsed = {n.name for n in marked if n.name not in ours and survey.held(n.address, ours)}
    kept = [replace(n, address=next(free)) if n.name in lapsed else n for n in marked]
    counter = max([record.counter, *(number_of(n) for n in (*ours, *gone))])
    missing = wish.nodes - sum(n.staying for n in kept)
    fresh = [_fresh(wish, counter + i + 1, next(free)) for i in range(missing)]
    nodes = (*kept, *fresh)
    there = {n.name for n in nodes if n.name in ours}
    return PoolPlan(
        record=PoolRecord(vip, counter + len(fresh), nodes),
        created=tuple(n.name for n in nodes if n.name not in ours),
        lost=lost,
        adopted=tuple(n.name for n in adopted),
        stopped=tuple(n.name for n in nodes if n.staying and n.name in there and ours[n.name].status != "running"),
        resized=tuple(n.name for n in record.nodes if n.name in there and n.size != wish.size),
        leaving=tuple(n.name for n in nodes if not n.staying),
        returned=tuple(n.name for n in nodes if n.state == "returning"),
    )


def _fresh(wish: PoolWish, number: int, address: str) -> Node:
    return Node(node_name(wish.fleet, wish.region, number), wish.size, address)


def _marked(wish: PoolWish, nodes: Collection[Node], views: Mapping[str, NodeView]) -> list[Node]:
    """The nodes, those that are too many marked as leaving, and as many as are missing taken back."""
    staying = [n for n in nodes if n.staying]
    on_the_way = [n for n in nodes if n.state == "leaving"]
    going = choose_leaving(staying, views, len(staying) - wish.nodes)
    back = choose_returning(on_the_way, views, wish.nodes - len(staying))
    return [_as(n, "leaving") if n.name in going else _as(n, "returning") if n.name in back else n for n in nodes]


def _as(node: Node, state: NodeState) -> Node:
    return replace(node, state=state)


def _refuse_strangers(strangers: Collection[Machine]) -> None:
    if strangers:
        other = any(machine.owner for machine in strangers)
        whose = "a machine of another du-infra checkout" if other else "a machine that du-infra did not make"
        raise Refused(
            f"the name is taken by {whose}",
            where=", ".join(sorted(machine.name for machine in strangers)),
            todo="give the fleet another name in fleet.yaml, or remove those machines where they were made",
        )


def _kept(wish: PoolWish, nodes: Collection[Node], there: Collection[str]) -> list[Node]:
    """The nodes that exist, and of those that were never made as many as are still wanted, by number."""
    by_number = sorted(nodes, key=lambda n: number_of(n.name))
    spare = max(0, wish.nodes - sum(n.name in there and n.staying for n in by_number))
    unmade = [n.name for n in by_number if n.name not in there][spare:]
    return [n for n in by_number if n.name not in unmade]


def adopt(machine: Machine, wish: PoolWish, vip: str) -> Node:
    """A machine of ours as a node of its region; its size is what fleet.yaml says."""
    own = [a for a in machine.addresses if a != vip]
    if not own:
        raise Refused("this machine is ours but has no address", where=machine.name, todo="delete it and run again")
    return Node(machine.name, wish.size, own[0])
