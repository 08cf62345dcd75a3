"""In words: which losses the region's control plane bears now, and what goes on without it. Pure."""

from __future__ import annotations

from du_infra.cluster.bootstrap import was_born
from du_infra.cluster.quorum import healthy, majority, voters
from du_infra.cluster.standing import well
from du_infra.cluster.state import Observed

DATA_PLANE = "pods on other nodes go on serving, but nothing is started or moved, and nothing can be released"


def survives(observed: Observed) -> str:
    """What may be lost, by those that are well; "" for a region without a cluster.

    Of the control plane alone: who takes requests, and what becomes of volumes, ``region status`` says beside it.
    """
    if not was_born(observed):
        return ""
    if not observed.api:
        return f"the API does not answer: {DATA_PLANE}"
    if observed.datastore == "external":
        return _external(observed)
    if len(voters(observed)) > 1:
        return _etcd(observed)
    return _one_server(observed)


def _one_server(observed: Observed) -> str:
    agents = len([m for m in observed.members if m.role == "agent" and well(m)])
    if not agents:
        return "one server: a reboot or a crash heals, the loss of the machine is an outage until a backup is restored"
    many = "an agent" if agents == 1 else f"{agents} agents"
    lost = "the agent" if agents == 1 else "an agent"
    return (
        f"one server and {many}: when {lost} is lost its pods start elsewhere; "
        f"when the server is lost {DATA_PLANE} until it is restored from a backup"
    )


def _etcd(observed: Observed) -> str:
    votes = voters(observed)
    spare = len(healthy(votes)) - majority(len(votes))
    who = _who(observed)
    if len(votes) == 2:
        return f"{who}, on the way to more or fewer: the loss of either takes the API away, two are worse than one"
    if spare < 1:
        amiss = len(votes) - len(healthy(votes))
        return f"{who}, {amiss} of them not well: the loss of one more takes the API away; {DATA_PLANE}"
    return f"{who}: any {_count(spare)} of them may be lost, the API stays"


def _who(observed: Observed) -> str:
    votes = voters(observed)
    witnesses = len([m for m in votes if m.role == "witness"])
    servers = len(votes) - witnesses
    named = f"{_count(servers)} server{'s' if servers != 1 else ''}"
    return f"{named} and a witness" if witnesses else named


def _external(observed: Observed) -> str:
    servers = len([m for m in observed.members if m.role == "server" and well(m)])
    elsewhere = "as long as the external datastore answers"
    if servers > 1:
        return f"{_count(servers)} servers on an external datastore: all but one may be lost, the API stays {elsewhere}"
    return (
        f"one server on an external datastore: when it is lost {DATA_PLANE} until another has joined, {elsewhere}, "
        "and no backup is needed"
    )


def _count(number: int) -> str:
    words = ("no", "one", "two", "three", "four", "five")
    return words[number] if number < len(words) else str(number)
