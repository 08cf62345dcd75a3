"""Which nodes a region should have, under which names and addresses. Pure: no I/O.

A name is ``<fleet>-<region>-<number>``. A number that was given out once is never given out again while the
region lives, so a node that was lost is followed by one with a new name: nothing that remembers the old one
(a pinned host key, a cluster membership) can mistake the new one for it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from du_infra.errors import Refused
from du_infra.pool.state import Machine, Network, Node


@dataclass(frozen=True)
class PoolRecord:
    """What the store remembers of a region's pool; ``counter`` is the highest number ever given out."""

    vip: str = ""
    counter: int = 0
    nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class PoolWish:
    """What fleet.yaml asks of a pool."""

    fleet: str
    region: str
    nodes: int
    size: str


@dataclass(frozen=True)
class PoolPlan:
    """The pool as it should become.

    ``created`` are still to be made. ``lost`` had joined and are not on the provider any more; ``adopted`` are
    on the provider, carry our owner mark and were not recorded. ``stopped`` exist and do not run. ``resized`` were
    recorded with another size.
    """

    record: PoolRecord
    created: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    adopted: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    resized: tuple[str, ...] = ()


def node_name(wish: PoolWish, number: int) -> str:
    """The name of the ``number``-th node of a region."""
    return f"{wish.fleet}-{wish.region}-{number}"


def plan_pool(
    wish: PoolWish, record: PoolRecord, machines: Iterable[Machine], network: Network, owner: str
) -> PoolPlan:
    """The pool that ``wish`` asks for, given what is recorded and what the provider has.

    ``owner`` is the mark of our own machines. What was given out and never made (a run was killed, Terraform
    failed) binds nobody: it is dropped when fewer nodes are wanted, and gets another address when somebody has
    taken that one. Raises Refused when a machine of somebody else stands where ours should, when the pool would
    have to shrink, or when the network has no address left.
    """
    machines = list(machines)
    _refuse_strangers(wish, machines, owner)
    ours = {m.name: m for m in machines if m.owner == owner and m.region == wish.region}
    lost = tuple(n.name for n in record.nodes if n.joined and n.name not in ours)
    known = [replace(n, size=wish.size) for n in record.nodes if n.name not in lost]
    adopted = [adopt(m, wish, record.vip) for m in ours.values() if m.name not in {n.name for n in known}]
    kept = _kept(wish, [*known, *adopted], ours)
    _refuse_shrinking(wish, kept)
    others = {a for m in machines if m.name not in ours for a in m.addresses}
    vip = "" if record.vip in others and not ours else record.vip
    free = _free(network, {a for m in machines for a in m.addresses} | {n.address for n in kept} | {vip})
    vip = vip or next(free)
    kept = [n if n.name in ours or n.address not in others else replace(n, address=next(free)) for n in kept]
    counter = max([record.counter, *(number_of(n) for n in (*ours, *lost))])
    fresh = [Node(node_name(wish, counter + i + 1), wish.size, next(free)) for i in range(wish.nodes - len(kept))]
    nodes = (*kept, *fresh)
    return PoolPlan(
        record=PoolRecord(vip, counter + len(fresh), nodes),
        created=tuple(n.name for n in nodes if n.name not in ours),
        lost=lost,
        adopted=tuple(n.name for n in adopted),
        stopped=tuple(n.name for n in nodes if n.name in ours and ours[n.name].status != "running"),
        resized=tuple(n.name for n in record.nodes if n.name in ours and n.size != wish.size),
    )


def number_of(name: str) -> int:
    """The number at the end of a node's name."""
    found = re.search(r"-(\d+)$", name)
    return int(found[1]) if found else 0


def _refuse_strangers(wish: PoolWish, machines: Collection[Machine], owner: str) -> None:
    pattern = re.compile(rf"{re.escape(wish.fleet)}-{re.escape(wish.region)}-\d+")
    taken = sorted(m.name for m in machines if pattern.fullmatch(m.name) and m.owner != owner)
    if taken:
        raise Refused(
            f"the name is taken by {_whose(taken, machines)}",
            where=", ".join(taken),
            todo="give the fleet another name in fleet.yaml, or remove those machines where they were made",
        )


def _whose(names: Collection[str], machines: Collection[Machine]) -> str:
    marked = any(m.owner for m in machines if m.name in names)
    return "a machine of another du-infra checkout" if marked else "a machine that du-infra did not make"


def _kept(wish: PoolWish, nodes: Collection[Node], there: Collection[str]) -> list[Node]:
    """The nodes that exist, and of those that were never made as many as are still wanted, by number."""
    by_number = sorted(nodes, key=lambda n: number_of(n.name))
    spare = max(0, wish.nodes - sum(n.name in there for n in by_number))
    unmade = [n.name for n in by_number if n.name not in there][spare:]
    return [n for n in by_number if n.name not in unmade]


def _refuse_shrinking(wish: PoolWish, kept: Collection[Node]) -> None:
    if len(kept) > wish.nodes:
        raise Refused(
            f"fleet.yaml asks for {wish.nodes} node(s) and {len(kept)} exist; removing nodes is not there yet",
            where=f"regions.{wish.region}.pool.nodes",
            todo=f"set nodes: {len(kept)}, or take the region down and up again",
        )


def adopt(machine: Machine, wish: PoolWish, vip: str) -> Node:
    """A machine of ours as a node of its region; its size is what fleet.yaml says."""
    own = [a for a in machine.addresses if a != vip]
    if not own:
        raise Refused("this machine is ours but has no address", where=machine.name, todo="delete it and run again")
    return Node(machine.name, wish.size, own[0])


def _free(network: Network, taken: Collection[str]) -> Iterator[str]:
    first, last = (int(ipaddress.IPv4Address(a)) for a in (network.first, network.last))
    for number in range(first, last + 1):
        address = ipaddress.IPv4Address(number)
        if str(address) not in taken and address.packed[3] not in (0, 255):
            yield str(address)
    raise Refused("no address is left", where=network.cidr, todo="take a region down first")
