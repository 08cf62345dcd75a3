"""Which nodes are to be the cluster's servers, and whether etcd gets a witness. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from du_infra.cluster.quorum import voters
from du_infra.cluster.standing import is_server, spent, usable, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import broken_migration


@dataclass(frozen=True)
class Seats:
    """``goal`` servers are to be had, ``servers`` can be (fewer while machines are missing).

    ``witness``: the third vote beside two servers, "" for none. ``refused``: why the servers stay as they are though
    others are wanted, "" when nothing is in the way.
    """

    servers: tuple[str, ...]
    goal: int
    witness: str = ""
    refused: str = ""

    @property
    def complete(self) -> bool:
        """Whether there is a machine for each."""
        return len(self.servers) == self.goal

    @property
    def voters(self) -> tuple[str, ...]:
        """Who is to have a vote in embedded etcd; the witness comes first, because its machine is not the pool's."""
        return (self.witness, *self.servers) if self.witness else self.servers


def is_external(wish: Wish, observed: Observed) -> bool:
    """Whether the datastore is somebody else's. A cluster that has one keeps it, whatever is wished."""
    return observed.datastore == "external" if observed.datastore else wish.external


def servers_goal(wish: Wish, external: bool) -> int:
    """How many servers there are to be; never two on embedded etcd without a witness."""
    nodes = len({*wish.nodes} - {*wish.going})
    if external:
        return min(nodes, max(2, wish.servers))
    if wish.servers == 3 and nodes >= 3:
        return 3
    return 2 if wish.witness and nodes >= 2 else min(nodes, 1)


def without_idle_witness(wish: Wish, observed: Observed) -> Wish:
    """The wish as it counts: a witness is one only beside two servers, or else it is on its way out."""
    external = is_external(wish, observed)
    return wish if servers_goal(wish, external) == 2 and not external else replace(wish, witness="")


def sqlite_server(observed: Observed) -> Member | None:
    """The server that has the cluster's sqlite database; None when another datastore is in use."""
    if observed.datastore != "sqlite":
        return None
    found = [m for m in observed.members if is_server(m) and m.datastore == "sqlite"]
    return min(found, key=lambda m: (not well(m), not usable(m), m.name), default=None)


def seats(wish: Wish, observed: Observed) -> Seats:
    """Who is to be a server. Those that are stay so; then come machines without K3s, then agents.

    Of equals the one that stands first in ``wish.nodes``. A node that is dead keeps its seat until the pool gives up
    its name, so that nothing is taken out of etcd on the word of one look. While not all seats can be filled, one
    server stays alone, and of two one goes back: two without a third are worse than one.
    """
    external = is_external(wish, observed)
    goal = servers_goal(wish, external)
    asked_for = [name for name in wish.nodes if name not in wish.going]
    found = [m for name in asked_for if (m := observed.find(name)) and _may_serve(m)]
    ranked = sorted(found, key=lambda m: _rank(m, wish))
    witness = wish.witness if goal == 2 and not external else ""
    asked = Seats(tuple(m.name for m in ranked[:goal]), goal, witness)
    if external or not (alone := _alone(observed, asked)):
        return asked
    if asked.voters == (alone,) or not (why := _no_migration(observed) or _too_few(wish, observed, asked)):
        return asked
    return Seats((alone,), 1, refused=why)


def _alone(observed: Observed, asked: Seats) -> str:
    """The server that is alone, or can be if need be; "" when there are more, or none."""
    if holder := sqlite_server(observed):
        return holder.name
    votes = voters(observed)
    able = [m for m in votes if m.role == "server" and not m.removing]
    if not able or len(votes) > 2:
        return ""
    return min(able, key=lambda m: (m.name not in asked.servers, not well(m), m.name)).name


def _too_few(wish: Wish, observed: Observed, asked: Seats) -> str:
    """Why one server does not become more: not all could follow at once; "" when they can.

    Where two vote already, a third that exists and does not answer at the moment is waited for.
    """
    two = len(voters(observed)) == 2
    witness = observed.find(asked.witness)
    if asked.witness and not (witness and (can_be_added(witness) or witness.etcd or (two and _may_come(witness)))):
        return f"there is to be one server until the witness {asked.witness} can join"
    coming = [name for name in wish.nodes if (m := observed.find(name)) and _may_come(m)]
    if asked.complete or (two and len(coming) >= asked.goal):
        return ""
    return f"there is to be one server until there are machines for {asked.goal}"


def can_be_added(member: Member) -> bool:
    """Whether it could begin to join as a server."""
    contradictory = member.role == "agent" and member.etcd is not None
    return usable(member) and not spent(member) and not member.removing and not contradictory


def _may_come(member: Member) -> bool:
    return member.machine != "gone" and not member.dead and not spent(member)


def _may_serve(member: Member) -> bool:
    return is_server(member) or (usable(member) and member.role != "witness" and not spent(member))


def _rank(member: Member, wish: Wish) -> int:
    """The smaller, the sooner it is a server. Who is on the way to be one stays on it."""
    under_way = member.cordoned and member.name not in wish.drained
    if member.role == "server":
        in_use = is_server(member) and (member.etcd is not None or member.datastore in ("sqlite", "external"))
        return (0 if well(member) else 1) if in_use and not member.removing else 2
    if member.role == "agent" and (under_way or member.service == "disabled"):
        return 3
    return 4 if member.role == "" else 5 if well(member) else 6


def _no_migration(observed: Observed) -> str:
    """Why sqlite is not moved to etcd; "" when it may be, or there is no sqlite."""
    holder = sqlite_server(observed)
    if holder is None:
        return ""
    if observed.migration == "undone":
        return f"the move of {holder.name} to etcd failed and was undone"
    if told := broken_migration(holder.version):
        return f"K3s {holder.version} cannot move from sqlite to etcd ({told}): it needs another version first"
    return ""
