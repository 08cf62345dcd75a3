"""Nodes that leave, one after the other, each in the one order that brings nobody back. Pure.

drain → stop and disable → delete the Node → see that its password secret is gone → destroy the machine. A Node that
is deleted before its K3s has stopped registers itself again, and then blocks its name (k3s issue 13072).
"""

from __future__ import annotations

from du_infra.cluster.action import NOTHING, Action, Turn, wait
from du_infra.cluster.promote import missing_servers
from du_infra.cluster.seats import is_external, seats
from du_infra.cluster.standing import SHARED, is_server, keeps_data, servers, stopped, usable, wanted, well
from du_infra.cluster.state import Member, Observed, Wish


def leave(wish: Wish, observed: Observed) -> Turn:
    """The next step of the first who can go; in words, why others cannot. Ghosts are those without a machine."""
    waits: list[str] = []
    for member in sorted(observed.members, key=lambda m: (m.machine != "gone", not is_server(m), m.name)):
        if not _goes(member, wish, observed) or member.etcd is not None:
            continue
        if reason := _cannot_go(member, wish, observed):
            waits.append(f"{member.name} {reason}")
        elif action := _next(member, wish):
            return Turn(step=(action,), waits=tuple(waits))
    return wait(*waits) if waits else NOTHING


def _goes(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether it leaves the cluster, or (a server too many, on a datastore that is not etcd) its role."""
    if not wanted(member, wish):
        return True
    seated = (*seats(wish, observed).servers, *wish.going)
    surplus = is_external(wish, observed) and member.name not in seated
    return surplus and is_server(member) and member.service != "disabled"


def _cannot_go(member: Member, wish: Wish, observed: Observed) -> str:
    """Why it stays for now; "" when it may go."""
    if member.role == "server" and not _is_replaced(member, wish, observed):
        return "stays until another server has taken its place"
    if not stopped(member) and not member.dead and not usable(member):
        return "does not answer: it leaves once it does, or is known to be dead"
    if not stopped(member) and member.dead and member.shared:
        return f"is dead: {SHARED}"
    return ""


def _is_replaced(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether the cluster can do without it. A server that is off is no loss while another has the data."""
    others = [m for m in servers(observed) if m.name != member.name and well(m)]
    off = member.dead or stopped(member)
    if is_external(wish, observed):
        plan = seats(wish, observed)
        return any(m.name in plan.servers for m in others) and (off or not missing_servers(observed, plan, True))
    if keeps_data(member) and not off:
        return False
    return any(keeps_data(m) for m in others)


def _next(member: Member, wish: Wish) -> Action | None:
    name = member.name
    if not stopped(member):
        if member.dead:
            return Action("halt", name, "it is dead, and must not come back while it is forgotten")
        if member.service == "running" and member.node == "ready" and not member.drained and member.role != "witness":
            return Action("drain", name, "it leaves")
        return Action("stop", name, "it leaves, and must not register again")
    if wanted(member, wish):
        return None
    if member.node != "absent":
        return Action("delete-node", name, "there is no machine for it" if member.machine == "gone" else "it leaves")
    if member.secret:
        return Action("delete-secret", name, "the password of a node that is no more")
    if member.machine != "gone" and not member.shared:
        return Action("destroy", name, "it has left the cluster")
    return None
