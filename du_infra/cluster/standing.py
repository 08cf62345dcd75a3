"""How a member stands: wanted or on its way out, well or not, stopped or not, its name used up or not. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from du_infra.cluster.state import Member, Observed, Wish

SHARED = "its machine is not the pool's, so somebody else has to turn it off"


def wanted(member: Member, wish: Wish) -> bool:
    """Whether it is to be part of the cluster; who is not is on its way out."""
    return member.name in wish.nodes or member.name == wish.witness != ""


def usable(member: Member) -> bool:
    """Whether something can be done on its machine."""
    return member.machine == "running" and member.answers and not member.dead


def well(member: Member) -> bool:
    """Whether it does all that is expected of its role."""
    etcd = member.etcd is None or member.etcd.healthy
    return usable(member) and member.service == "running" and member.node == "ready" and etcd


def stopped(member: Member) -> bool:
    """Whether its K3s is off and stays off, so that nothing registers the name again."""
    nothing_on_it = member.role == "" and member.service not in ("running", "starting")
    return (
        member.machine != "running"
        or member.service == "disabled"
        or (nothing_on_it and (member.answers or member.node == "absent"))
    )


def idle(member: Member) -> bool:
    """Whether its K3s could be started now and is not running."""
    return usable(member) and member.service in ("stopped", "failed", "disabled")


def spent(member: Member) -> bool:
    """Whether the cluster knows the name by another machine: K3s would refuse this one for its node password."""
    known = member.joined or member.secret or member.etcd is not None or member.node in ("ready", "not-ready")
    return member.role == "" and member.machine != "gone" and known


def is_server(member: Member) -> bool:
    """Whether it is one of the cluster's servers, or may still be: it runs the API, or its disk has the data."""
    return member.role == "server" and member.machine != "gone" and (member.joined or member.etcd is not None)


def servers(observed: Observed) -> tuple[Member, ...]:
    """The cluster's servers whose machines exist, witnesses not included."""
    return tuple(member for member in observed.members if is_server(member))


def keeps_data(member: Member) -> bool:
    """Whether the cluster's data is on this machine, as far as is known."""
    if member.machine == "gone":
        return False
    if member.role == "server" and member.datastore == "sqlite" and member.joined:
        return True
    return member.role in ("server", "witness") and member.etcd is not None


def names(members: Iterable[Member]) -> str:
    """Their names for a sentence."""
    listed = sorted(member.name for member in members)
    return f"{', '.join(listed[:-1])} and {listed[-1]}" if len(listed) > 1 else "".join(listed)
