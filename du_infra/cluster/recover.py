"""A cluster whose API does not answer: what brings it back, and what needs a person's word first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from du_infra.cluster.action import NOTHING, Action, Turn, one, wait
from du_infra.cluster.quorum import has_quorum, healthy, majority, voters
from du_infra.cluster.seats import is_external
from du_infra.cluster.standing import SHARED, idle, is_server, keeps_data, names, spent, stopped, usable, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import cluster_version


def undo_migration(wish: Wish, observed: Observed) -> Turn:
    """A move to etcd that failed is taken back: the sqlite database is still there, whole, until others have joined."""
    if observed.migration != "failed":
        return NOTHING
    moved = [m for m in observed.members if is_server(m) and not _lost(m)]
    if len(voters(observed)) > 1:
        return wait("the move to etcd failed and yet others have joined: nothing is undone", holds=True)
    for member in moved:
        if usable(member):
            return one(Action("undo-migration", member.name, "the move to etcd failed: it goes on with sqlite"))
    return (
        wait("the move to etcd failed, and is undone as soon as the server answers", holds=True) if moved else NOTHING
    )


def recover(wish: Wish, observed: Observed) -> Turn:
    """While the API does not answer nobody joins or leaves: servers are started, waited for, restored or reset."""
    if observed.api:
        return NOTHING
    votes = voters(observed)
    coming = [m for m in observed.members if _counts(m) and not _lost(m)]
    if votes and len(coming) < majority(len(votes)):
        return _reset(wish, observed, coming) if coming else _restore(wish, observed)
    if asleep := [m for m in coming if idle(m)]:
        return one(Action("start", asleep[0].name, f"the API does not answer, and its K3s is {asleep[0].service}"))
    alone = votes and has_quorum(votes) and not any(m.role == "server" and not _lost(m) for m in votes)
    if coming and not alone:
        return _waiting([m for m in coming if not well(m)])
    return _another_server(wish, observed) if alone or is_external(wish, observed) else _restore(wish, observed)


def _counts(member: Member) -> bool:
    """Whether the API may come back with it: its vote, its database, or (the data being elsewhere) itself."""
    if member.etcd is not None:
        return not member.etcd.learner
    return keeps_data(member) or (is_server(member) and member.datastore == "external")


def _lost(member: Member) -> bool:
    return member.dead or member.machine == "gone"


def _waiting(coming: Iterable[Member]) -> Turn:
    return wait(f"the API does not answer: waiting for {names(coming) or 'it'}", holds=True)


def _another_server(wish: Wish, observed: Observed) -> Turn:
    """The data is elsewhere, with the witness or in an external datastore: another server is all it takes."""
    able = _candidates(wish, observed)
    if not able:
        return wait("no server is left: another begins as soon as a new node is there", holds=True)
    if able[0].role == "agent" and not idle(able[0]):
        return one(_stopped_first(able[0]))
    version, datastore = cluster_version(wish, observed), observed.datastore
    return one(Action("join-server", able[0].name, "no server is left", version=version, datastore=datastore))


def _reset(wish: Wish, observed: Observed, left: Sequence[Member]) -> Turn:
    """One of those that are left goes on alone with its data, and the others join it anew later."""
    able = survivor(left)
    if able is None:
        return _waiting(left)
    why = f"too many voters are lost for a majority: {able.name} goes on alone with what it has"
    return _with_consent(wish, Action("reset", able.name, why), _other_servers(observed, able))


def survivor(left: Sequence[Member]) -> Member | None:
    """Who of the voters that are ``left`` goes on alone when the majority is lost; None where nobody can."""
    able = [m for m in left if usable(m)]
    return min(able, key=lambda m: (m.role == "witness", m not in healthy(left)), default=None)


def _restore(wish: Wish, observed: Observed) -> Turn:
    if observed.backup is None:
        return wait("every server is lost and there is no backup: the region has to be made anew", holds=True)
    able = _candidates(wish, observed)
    if not able:
        return wait("every server is lost: the backup is restored as soon as a new node is there", holds=True)
    hours = (observed.now - observed.backup.at) / 3600
    doubt = "" if observed.backup.verified else ", which nobody has read back"
    why = f"every server is lost: back to the backup of {hours:.1f} h ago{doubt}"
    action = Action("restore", able[0].name, why, version=cluster_version(wish, observed), datastore=observed.datastore)
    if able[0].role == "agent" and not idle(able[0]) and wish.may_restore:
        return one(_stopped_first(able[0]))
    return _with_consent(wish, action, _other_servers(observed, able[0]))


def _stopped_first(member: Member) -> Action:
    return Action("stop", member.name, "no server and no new node is left: this agent becomes the server")


def _other_servers(observed: Observed, chosen: Member) -> list[Member]:
    return [m for m in observed.members if m.role in ("server", "witness") and m.name != chosen.name]


def _with_consent(wish: Wish, action: Action, others: Iterable[Member]) -> Turn:
    """Both give up what was written since. Whoever has the old data is off first, or there would be two clusters."""
    if not wish.may_restore:
        return Turn(asks=(action,), waits=(f"{action.why}; a person has to agree to that",), holds=True)
    for member in others:
        if not stopped(member) and not (member.dead or usable(member)):
            words = f"{member.name} has the old data and does not answer: waiting until it does, or is dead"
            return wait(words, holds=True)
        if not stopped(member) and member.dead and member.shared:
            return wait(f"{member.name} is dead: {SHARED}", holds=True)
        if not stopped(member):
            why = "it has the old data, and must not run beside what takes its place"
            return one(Action("halt" if member.dead else "stop", member.name, why))
    return one(action)


def _candidates(wish: Wish, observed: Observed) -> list[Member]:
    """Nodes that could be the first server again: one that was begun, then new ones.

    Agents keep serving what they serve, so one of them is taken only where no new node is to come.
    """
    there = [m for name in wish.nodes if (m := observed.find(name))]
    able = [m for m in there if usable(m) and not spent(m) and m.role != "witness"]
    fresh = sorted((m for m in able if m.role != "agent"), key=lambda m: m.role == "")
    return fresh if fresh or len(able) < len(wish.nodes) else able
