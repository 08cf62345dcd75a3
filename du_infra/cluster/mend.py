"""What has stopped and should run is started; what takes no pods any more and should is let have them again. Pure."""

from __future__ import annotations

from du_infra.cluster.action import NOTHING, Action, Turn, one
from du_infra.cluster.seats import seats, sqlite_server
from du_infra.cluster.standing import idle, is_server, usable, wanted, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.upgrade import next_to_upgrade


def follow(wish: Wish, observed: Observed) -> Turn:
    """Agents go by a server that is there. All at once: while the API has not heard of them it takes them for lost."""
    if not observed.api:
        return NOTHING
    if blind := [m for m in observed.members if m.blind and m.role == "agent" and usable(m) and not idle(m)]:
        why = "its K3s started before etcd had this data, and may have heard of nothing since"
        return Turn(step=tuple(Action("restart", m.name, why) for m in blind))
    astray = [m for m in observed.members if m.astray and wanted(m, wish) and usable(m) and m.joined]
    why = "the server that it goes by is no more"
    return Turn(step=tuple(Action("follow", m.name, why) for m in astray if m.role == "agent"))


def start_wanted(wish: Wish, observed: Observed) -> Turn:
    """Servers one at a time, then all agents. One that runs and has lost its Node registers anew when it restarts."""
    servers = [m for m in observed.members if wanted(m, wish) and _serves(m, wish, observed)]
    agents = [m for m in observed.members if wanted(m, wish) and _is_agent(m, wish, observed)]
    for group in (servers, agents):
        if asleep := [m for m in group if idle(m)]:
            return Turn(step=tuple(map(_start, asleep if group is agents else asleep[:1])))
    unknown = [m for m in (*servers, *agents) if usable(m) and m.service == "running" and m.node == "absent"]
    return one(_restart(unknown[0])) if unknown else NOTHING


def start_voters(wish: Wish, observed: Observed) -> Turn:
    """Who is on its way out, and could not be let go yet, keeps its vote or its database meanwhile."""
    holder = sqlite_server(observed)
    asleep = [m for m in observed.members if idle(m) and not m.removing and (m == holder or _votes(m, observed))]
    return one(_start(asleep[0])) if asleep else NOTHING


def _votes(member: Member, observed: Observed) -> bool:
    return member.etcd is not None and member.role in ("server", "witness") and observed.datastore == "etcd"


def _start(member: Member) -> Action:
    return Action("start", member.name, f"its K3s is {member.service}")


def _restart(member: Member) -> Action:
    return Action("restart", member.name, "its Node was deleted while it ran")


def _serves(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether it is one of the servers already."""
    if member.role not in ("server", "witness") or member.removing:
        return False
    external = member.datastore == "external" and member.name in (*seats(wish, observed).servers, *wish.going)
    return member.etcd is not None or member == sqlite_server(observed) or (external and is_server(member))


def _is_agent(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether it has been an agent, and is to go on being one."""
    return member.role == "agent" and member.joined and member.name not in seats(wish, observed).voters


def uncordon(wish: Wish, observed: Observed) -> Turn:
    """Pods may come back to nodes that stay, but for those that somebody drained by hand."""
    plan, upgraded = seats(wish, observed), next_to_upgrade(wish, observed)
    for m in observed.members:
        ours = m.cordoned and m.name not in wish.drained and m.name in wish.nodes
        changing = (m.role == "agent") == (m.name in plan.voters)
        if ours and usable(m) and well(m) and not changing and not (upgraded and upgraded.name == m.name):
            return one(Action("uncordon", m.name, "it stays, and takes pods again"))
    return NOTHING
