"""The first server of a region that has never had a cluster. Pure.

A second cluster beside a first one is the worst that can happen to a region, so whatever reminds of a cluster forbids
it: a region that has lost its servers is restored (recover.py), never begun again.
"""

from __future__ import annotations

from du_infra.cluster.action import NOTHING, Action, Turn, one, wait
from du_infra.cluster.seats import servers_goal
from du_infra.cluster.standing import idle, spent, stopped, usable, wanted
from du_infra.cluster.state import Datastore, Member, Observed, Wish


def was_born(observed: Observed) -> bool:
    """Whether there is or has been a cluster."""
    traces = any(m.joined or m.secret or m.etcd or m.node in ("ready", "not-ready") for m in observed.members)
    return observed.born or observed.backup is not None or traces


def bootstrap(wish: Wish, observed: Observed) -> Turn:
    """Begin the cluster on one node, or wait for it; nothing else is done before its API answers."""
    if was_born(observed):
        return NOTHING
    begun = [m for m in observed.members if m.role == "server" and not m.dead and (wanted(m, wish) or not stopped(m))]
    if begun and begun[0].machine != "gone":
        return _go_on(begun[0], wish)
    able = [m for name in wish.nodes if (m := observed.find(name)) and usable(m) and not spent(m)]
    fresh = [m for m in able if m.role == ""] or able
    if not fresh:
        return wait("the cluster begins as soon as the first node is there", holds=True)
    return one(_begin(fresh[0], wish))


def _go_on(begun: Member, wish: Wish) -> Turn:
    if usable(begun) and wanted(begun, wish):
        if idle(begun):
            return one(_begin(begun, wish))
        return wait(f"{begun.name} is starting the cluster", holds=True)
    if usable(begun):
        return one(Action("stop", begun.name, "the cluster was being begun on it, and it is not wanted any more"))
    return wait(f"the cluster is being begun on {begun.name}, which does not answer", holds=True)


def _begin(member: Member, wish: Wish) -> Action:
    why = "the region has no cluster yet"
    return Action("bootstrap", member.name, why, version=wish.version, datastore=first_datastore(wish))


def first_datastore(wish: Wish) -> Datastore:
    """What a new cluster keeps its data in: sqlite, which needs the least memory, unless more servers are to come."""
    if wish.external:
        return "external"
    return "etcd" if servers_goal(wish, False) > 1 else "sqlite"
