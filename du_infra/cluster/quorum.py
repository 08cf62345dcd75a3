"""The votes of embedded etcd, and whether one may be taken away. Pure.

A cluster of n voters needs n // 2 + 1 of them (https://etcd.io/docs/latest/faq/#what-is-failure-tolerance).
"""

from __future__ import annotations

from collections.abc import Collection

from du_infra.cluster.standing import names, well
from du_infra.cluster.state import Member, Observed


def voters(observed: Observed) -> tuple[Member, ...]:
    """The members of etcd that have a vote, ghosts included."""
    return tuple(m for m in observed.members if m.etcd is not None and not m.etcd.learner)


def learners(observed: Observed) -> tuple[Member, ...]:
    """The members of etcd that have no vote yet."""
    return tuple(m for m in observed.members if m.etcd is not None and m.etcd.learner)


def healthy(members: Collection[Member]) -> tuple[Member, ...]:
    """Those whose etcd answers, on machines that run."""
    return tuple(m for m in members if m.etcd is not None and m.etcd.healthy and m.machine == "running" and not m.dead)


def majority(votes: int) -> int:
    """How many of so many voters must agree."""
    return votes // 2 + 1


def has_quorum(members: Collection[Member]) -> bool:
    """Whether enough of these voters are healthy."""
    return len(healthy(members)) >= majority(len(members))


def against_removal(observed: Observed, member: Member) -> str:
    """Why this member may not be taken out of etcd now, in words; "" when it may.

    A learner has no vote, so that its going costs none. A healthy voter goes only while all others are well; a broken
    one when those who stay have a majority among themselves.
    """
    everyone = voters(observed)
    others = [m for m in everyone if m.name != member.name]
    leaving = [m for m in observed.members if m.removing and m.etcd is not None and m.name != member.name]
    if not observed.api or not has_quorum(everyone):
        return "etcd has no majority"
    if leaving:
        return f"etcd is still letting {names(leaving)} go"
    if member in learners(observed):
        return ""
    if learners(observed):
        return f"{names(learners(observed))} is still joining etcd"
    if not others:
        return "it has etcd's only vote"
    if not has_quorum(others):
        return "those who stay would have no majority"
    unwell = [m for m in others if not well(m)]
    if unwell and member in healthy([member]):
        return f"{names(unwell)} is not well"
    return ""
