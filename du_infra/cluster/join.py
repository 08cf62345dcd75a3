"""Nodes that join as agents, side by side. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from du_infra.cluster.action import Action, Turn
from du_infra.cluster.seats import seats, sqlite_server
from du_infra.cluster.standing import idle, is_server, keeps_data, spent, usable
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import cluster_version, too_new


def join_agents(wish: Wish, observed: Observed) -> Turn:
    """Every wanted node that is no server, and is not part of the cluster, joins now.

    One that was a server, and is none any more, becomes an agent on the same machine, so it keeps its name. One whose
    K3s is newer than a server's waits until the servers are upgraded.
    """
    version = cluster_version(wish, observed)
    able = [m for m in _to_join(wish, observed) if not too_new(m, version)]
    return Turn(step=tuple(Action("join-agent", m.name, _why(m), version=version) for m in able))


def _to_join(wish: Wish, observed: Observed) -> Iterator[Member]:
    taken = {*seats(wish, observed).voters, getattr(sqlite_server(observed), "name", "")}
    for name in wish.nodes:
        member = observed.find(name)
        if member is None or name in taken or not usable(member) or spent(member) or keeps_data(member):
            continue
        was_server = member.role == "server" and (member.service == "disabled" or not is_server(member))
        begun = member.role == "agent" and idle(member) and not member.joined
        if member.role == "" or begun or (was_server and idle(member)):
            yield member


def _why(member: Member) -> str:
    return "it is a server no more" if member.role == "server" else "it is wanted and not part of the cluster"
