"""In words: what keeps a wanted node from being part of the cluster, where nothing can be done about it here. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from du_infra.cluster.action import Turn
from du_infra.cluster.seats import Seats, is_external, seats
from du_infra.cluster.standing import idle, keeps_data, spent, usable, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import cluster_version, too_new

REPLACE = "`du-infra node replace` gives it a successor with a new name"


def trouble(wish: Wish, observed: Observed) -> Turn:
    """Everything that is amiss and has to be waited for, or needs a person."""
    plan = seats(wish, observed)
    return Turn(waits=(*_of_the_wish(wish, observed, plan), *_of_the_nodes(wish, observed, plan)))


def _of_the_wish(wish: Wish, observed: Observed, plan: Seats) -> Iterator[str]:
    if not wish.nodes:
        yield "no node is wanted: the last server is never taken away here, `du-infra region down` does that"
    if observed.datastore and wish.external != is_external(wish, observed):
        yield f"the data is in {observed.datastore}: a cluster does not move into or out of an external datastore"
    if plan.refused:
        yield plan.refused


def _of_the_nodes(wish: Wish, observed: Observed, plan: Seats) -> Iterator[str]:
    asked = (*wish.nodes, *((wish.witness,) if plan.witness else ()))
    for name in asked:
        member = observed.find(name)
        if member is None:
            yield f"{name} is not there yet"
        elif usable(member) and not well(member) and too_new(member, cluster_version(wish, observed)):
            yield f"{name} has K3s {member.program}, and joins once the servers have it"
        elif why := _amiss(member, plan):
            yield f"{name} {why}"


def _amiss(member: Member, plan: Seats) -> str:
    if member.dead or member.machine == "gone":
        return f"is lost: {REPLACE}"
    if member.machine != "running":
        return "is part of the cluster and its machine does not run"
    if spent(member):
        return f"has a name that another machine had: K3s would refuse its node password; {REPLACE}"
    if not member.answers:
        return "does not answer"
    if keeps_data(member) and member.name not in plan.servers and member.datastore == "sqlite":
        return f"has a database of its own, and is not touched; {REPLACE}"
    if not well(member):
        return "is stopped" if idle(member) else "is not ready yet"
    return ""
