"""What has stopped and should run is started; what takes no pods any more and should is let have them again. Pure."""

from __future__ import annotations

from du_infra.cluster.action import NOTHING, Action, Turn, one
from du_infra.cluster.seats import seats, sqlite_server
from du_infra.cluster.standing import idle, is_server, usable, wanted, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.upgrade import next_to_upgrade


def start_wanted(wish: Wish, observed: Observed) -> Turn:
    """Servers one at a time, then all agents."""
    asleep = [m for m in observed.members if idle(m) and wanted(m, wish) and _known(m, wish, observed)]
    servers = [m for m in asleep if m.role != "agent"]
    if servers:
        return one(_start(servers[0]))
    return Turn(step=tuple(_start(member) for member in asleep))


def start_voters(wish: Wish, observed: Observed) -> Turn:
    """A voter that is on its way out and could not be taken out of etcd yet keeps its vote meanwhile."""
    asleep = [m for m in observed.members if idle(m) and m.etcd and not m.removing and not wanted(m, wish)]
    holder = sqlite_server(observed)
    if holder and idle(holder):
        asleep.append(holder)
    return one(_start(asleep[0])) if asleep else NOTHING


def _start(member: Member) -> Action:
    return Action("start", member.name, f"its K3s is {member.service}")


def _known(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether starting is all it takes: it is what it should be, and the cluster has not forgotten it."""
    if member.role in ("server", "witness"):
        serves = member.etcd is not None or member.datastore == "sqlite"
        external = member.datastore == "external" and member.name in seats(wish, observed).servers
        return (is_server(member) and external) or (serves and not member.removing)
    on_the_way = member.name in seats(wish, observed).voters
    return member.role == "agent" and member.joined and member.node != "absent" and not on_the_way


def uncordon(wish: Wish, observed: Observed) -> Turn:
    """Pods may come back to nodes that stay, but for those that somebody drained by hand."""
    plan, upgraded = seats(wish, observed), next_to_upgrade(wish, observed)
    for m in observed.members:
        ours = m.cordoned and m.name not in wish.drained and m.name in wish.nodes
        changing = (m.role == "agent") == (m.name in plan.voters)
        if ours and usable(m) and well(m) and not changing and not (upgraded and upgraded.name == m.name):
            return one(Action("uncordon", m.name, "it stays, and takes pods again"))
    return NOTHING
