"""What is wished of a region's cluster, and what of it is not done yet. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from du_infra.cluster.action import Action, Kind, Plan
from du_infra.cluster.plan import plan_membership
from du_infra.cluster.standing import wanted, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.control.cluster.observe import Look, plain_version
from du_infra.errors import Refused
from du_infra.pool.plan import PoolRecord
from du_infra.spec.k3s import K3sSpec

NOT_YET: frozenset[Kind] = frozenset({"join-witness"})
"""What the planner may ask for and nobody does yet."""


def wish_of(k3s: K3sSpec, record: PoolRecord, seen: Look, without: Collection[str] = ()) -> Wish:
    """The pool's nodes that stay are wanted, and those that are to go until they have left the cluster.

    ``without`` are to leave it now. Whoever has been on the way out of it, however far, goes on, and is not taken back.
    """
    on_the_way = [n.name for n in record.nodes if not n.staying]
    kept = [name for name in on_the_way if (m := seen.observed.find(name)) and _is_part(m)]
    nodes = [name for name in (*(n.name for n in record.staying), *kept) if name not in without]
    return Wish(
        nodes=tuple(nodes),
        version=plain_version(k3s.version),
        servers=k3s.servers,
        external=k3s.datastore is not None,
        drained=(*seen.by_hand, *on_the_way),
        going=tuple(name for name in kept if name not in without),
    )


def _is_part(member: Member) -> bool:
    """Whether it stays for now. Nobody waits for one that does not answer: it leaves once it is known to be dead."""
    there = member.machine == "running" and member.answers and not member.dead
    return there and member.node in ("ready", "not-ready", "unknown") and member.service != "disabled"


def refuse_not_yet(steps: Iterable[Action]) -> None:
    """Raises Refused when an action is none that is done yet."""
    for action in steps:
        if action.kind in NOT_YET:
            todo = f"it is needed because: {action.why}; see docs/cluster.md"
            raise Refused(f"`{action.kind}` is not done yet", where=action.node, todo=todo)


def refuse_what_follows(plan: Plan) -> None:
    """Raises Refused when what a backup is made for is not done yet: before anything is begun."""
    for step in plan.steps:
        refuse_not_yet(step)
        if any(action.kind not in ("backup", "verify-backup") for action in step):
            return


def refuse_parting(wish: Wish, observed: Observed) -> None:
    """Raises Refused where who leaves would take the cluster's data along, or needs what is not done yet."""
    leaving = [m for m in observed.members if not wanted(m, wish)]
    left, plan = {m.name for m in leaving}, plan_membership(wish, observed)
    for step in plan.steps:
        if not left:
            return  # what follows is not for their sake
        refuse_not_yet(step)
        left -= {action.node for action in step if action.kind == "destroy"}
    if stuck := sorted(m.name for m in leaving if m.name in left and m.role == "server" and m.machine != "gone"):
        todo = "see `du-infra region status`: another server must be there before this one goes"
        raise Refused("; ".join(plan.waits) or "it cannot leave its cluster now", where=", ".join(stuck), todo=todo)


def unwell(wish: Wish, observed: Observed) -> list[Member]:
    """Wanted nodes that do not do what is expected of them, those that are known to be dead not included."""
    return [m for m in observed.members if wanted(m, wish) and not m.dead and not well(m)]


def may_come(wish: Wish, observed: Observed) -> bool:
    """Whether waiting alone may bring what is missing: somebody's K3s or Node is on its way, or it does not answer."""
    amiss = [m for m in unwell(wish, observed) if m.machine == "running"]
    return any(
        m.service == "starting" or (m.service == "running" and m.node != "ready") or not m.answers for m in amiss
    )
