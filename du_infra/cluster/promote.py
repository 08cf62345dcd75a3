"""From one server to more: sqlite becomes etcd, then one server after the other joins. Pure.

K3s adds a server to etcd as a learner, which gets its vote when it has caught up; a second one must not begin before.
"""

from __future__ import annotations

from du_infra.cluster.action import NOTHING, Action, Kind, Turn, one, wait
from du_infra.cluster.backup import first_backed_up
from du_infra.cluster.quorum import learners, voters
from du_infra.cluster.seats import Seats, can_be_added, is_external, seats, sqlite_server
from du_infra.cluster.standing import idle, is_server, names, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import cluster_version


def promote(wish: Wish, observed: Observed) -> Turn:
    """The next step towards all wanted servers; what others are too many is demote.py's matter."""
    plan = seats(wish, observed)
    if holder := sqlite_server(observed):
        return _from_sqlite(observed, plan, holder)
    missing = missing_servers(observed, plan, is_external(wish, observed))
    if not missing:
        return NOTHING
    if in_the_way := _not_now(observed):
        return wait(in_the_way)
    able = [m for name in missing if (m := observed.find(name)) and can_be_added(m)]
    if able:
        return _add(wish, observed, able[0])
    return wait(f"{' and '.join(missing)} cannot become {'a server' if len(missing) == 1 else 'servers'} now")


def missing_servers(observed: Observed, plan: Seats, external: bool) -> list[str]:
    """Who is to be a server (or the witness) and is not yet, the first to join first."""
    if external:
        there = {m.name for m in observed.members if is_server(m) and m.datastore == "external" and not idle(m)}
        return [name for name in plan.servers if name not in there]
    return [name for name in plan.voters if name not in {m.name for m in voters(observed)}]


def _from_sqlite(observed: Observed, plan: Seats, holder: Member) -> Turn:
    if plan.voters == (holder.name,) or not plan.servers:
        return NOTHING
    if not well(holder):
        return wait(f"{holder.name} moves to etcd once it is well")
    if backup := first_backed_up(observed, "the move to etcd"):
        return one(backup)
    return one(Action("migrate", holder.name, "more servers are to join, and sqlite is for one alone"))


def _not_now(observed: Observed) -> str:
    """Why no server may be added to etcd at this moment; "" when one may."""
    if joining := learners(observed):
        return f"{names(joining)} is catching up with etcd, and has no vote yet"
    votes = voters(observed)
    if going := [m for m in votes if m.removing]:
        return f"etcd is letting {names(going)} go"
    if unwell := [m for m in votes if not well(m)]:
        return f"no server joins while {names(unwell)} is not well"
    return ""


def _add(wish: Wish, observed: Observed, member: Member) -> Turn:
    """An agent is drained and stopped first. A machine stays the one it is, so it keeps its name."""
    if member.role == "agent" and not idle(member):
        if member.node == "ready" and not member.drained:
            return one(Action("drain", member.name, "it becomes a server"))
        return one(Action("stop", member.name, "it becomes a server"))
    if member.service == "starting":
        return wait(f"{member.name} is joining as a server")
    external = is_external(wish, observed)
    witness = member.name == wish.witness
    goal = seats(wish, observed).goal
    why = (
        "etcd needs a third vote" if witness else f"{goal} servers are wanted" if goal > 1 else "it is to be the server"
    )
    kind: Kind = "join-witness" if witness else "join-server"
    version = cluster_version(wish, observed)
    return one(Action(kind, member.name, why, version=version, datastore="external" if external else "etcd"))
