"""From more servers to fewer: one vote at a time is taken out of etcd, never one too many. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from du_infra.cluster.action import NOTHING, Action, Turn, one, wait
from du_infra.cluster.backup import first_backed_up
from du_infra.cluster.promote import missing_servers
from du_infra.cluster.quorum import against_removal, healthy, learners, voters
from du_infra.cluster.seats import Seats, can_be_added, is_external, seats
from du_infra.cluster.standing import names, servers, usable, wanted, well
from du_infra.cluster.state import Member, Observed, Wish


def finish_removal(wish: Wish, observed: Observed) -> Turn:
    """A server that etcd has let go is stopped before anything else: if it restarted, it would join again."""
    plan = seats(wish, observed)
    for m in observed.members:
        out = m.role in ("server", "witness") and m.datastore == "etcd" and m.etcd is None and m.name not in plan.voters
        others = [other for other in servers(observed) if other.name != m.name and well(other)]
        if (
            others
            and out
            and usable(m)
            and m.service != "disabled"
            and (m.joined or m.service in ("running", "starting"))
        ):
            return one(Action("stop", m.name, "etcd has let it go, and a restart would bring it back"))
    return NOTHING


def demote(wish: Wish, observed: Observed) -> Turn:
    """The next step towards no more voters than wanted: broken ones first, and those that are well one by one."""
    if is_external(wish, observed):
        return NOTHING
    plan = seats(wish, observed)
    if going := [m for m in observed.members if m.removing and m.etcd]:
        return wait(f"etcd is letting {names(going)} go")
    if stray := [m for m in learners(observed) if m.name not in plan.voters or m.dead or m.machine == "gone"]:
        return _take_out(observed, stray[0], "it has no vote yet, and will not need one")
    staying = (*plan.voters, *wish.going)
    surplus = [m for m in voters(observed) if m.name not in staying and not _still_the_pools(m, wish)]
    sound = healthy(surplus)
    broken = [m for m in surplus if m not in sound]
    if broken:
        return _drop(wish, observed, plan, broken)
    return _let_go(wish, observed, plan, sound) if sound else NOTHING


def _still_the_pools(member: Member, wish: Wish) -> bool:
    """Whether it is lost and yet its name is still wanted: the pool has the say first."""
    return wanted(member, wish) and (member.dead or member.machine == "gone")


def _drop(wish: Wish, observed: Observed, plan: Seats, broken: Sequence[Member]) -> Turn:
    """A broken voter helps nobody, but its place in the list goes only when another takes it, or none is needed."""
    member = min(broken, key=lambda m: (m.machine != "gone", not m.dead, m.name))
    missing = [m for name in missing_servers(observed, plan, False) if (m := observed.find(name)) and can_be_added(m)]
    if len(voters(observed)) - 1 < _goal(plan) and not missing:
        return wait(f"{member.name} stays in etcd's list until another server can take its place")
    return _take_out(observed, member, "it is out of order and not wanted any more")


def _goal(plan: Seats) -> int:
    return max(1, plan.goal + bool(plan.witness))


def _take_out(observed: Observed, member: Member, why: str) -> Turn:
    if reason := against_removal(observed, member):
        return wait(f"{member.name} stays in etcd: {reason}")
    return one(Action("remove-etcd-member", member.name, why))


def _let_go(wish: Wish, observed: Observed, plan: Seats, sound: Sequence[Member]) -> Turn:
    """One that is well goes when all who are to stay are there: backup, drain, and only then its vote."""
    if not plan.complete or missing_servers(observed, plan, False):
        return wait(f"{names(sound)} stays a server until all who are to stay are servers")
    order = {name: place for place, name in enumerate(wish.nodes)}
    member = max(sound, key=lambda m: (m.role != "witness", not wanted(m, wish), order.get(m.name, 0), m.name))
    if reason := against_removal(observed, member):
        return wait(f"{member.name} stays a server: {reason}")
    if not usable(member):
        return wait(f"{member.name} stays a server: it does not answer, and could not be stopped afterwards")
    if backup := first_backed_up(observed, f"{member.name} leaves etcd"):
        return one(backup)
    if member.role != "witness" and well(member) and not member.drained:
        return one(Action("drain", member.name, "it is to be no server any more"))
    return one(Action("annotate-removal", member.name, f"etcd is to have no more than {_goal(plan)} vote(s)"))
