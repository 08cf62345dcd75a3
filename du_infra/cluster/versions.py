"""K3s versions: their order, the steps from one to another, and those on which something is broken. Pure.

The rules are Kubernetes' own (https://kubernetes.io/releases/version-skew-policy/): API servers of one cluster are at
most one minor apart and go up one minor at a time; a kubelet is never newer than the API servers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeAlias

from du_infra.cluster.state import Member, Observed, Wish

Parsed: TypeAlias = tuple[int, int, int, int, int]
"""Major, minor, patch, candidate, revision of K3s's own."""

_FINAL = 1_000_000
"""In the place of the candidate's number where it is none: a release comes after all of its candidates."""

BROKEN_MIGRATION = {"v1.32.5": "k3s issue 12478"}
"""Versions on which the move from sqlite to etcd fails, whatever their K3s revision, and where that is told."""


def parse(version: str) -> Parsed:
    """``v1.34.1+k3s1`` or ``v1.34.1-rc1+k3s1`` as numbers that can be compared; zeros for what is no version."""
    found = re.fullmatch(r"v?(\d+)\.(\d+)\.(\d+)(?:-rc(\d+))?(?:\+k3s(\d+))?", version)
    if not found:
        return (0, 0, 0, 0, 0)
    major, minor, patch, candidate, revision = found.groups()
    return (int(major), int(minor), int(patch), int(candidate or _FINAL), int(revision or 0))


def minor(version: str) -> int:
    """The minor number."""
    return parse(version)[1]


def lowest(versions: Iterable[str]) -> str:
    """The oldest of these; "" for none."""
    return min((v for v in versions if v), key=parse, default="")


def highest(versions: Iterable[str]) -> str:
    """The newest of these; "" for none."""
    return max((v for v in versions if v), key=parse, default="")


def broken_migration(version: str) -> str:
    """Where it is told that the move to etcd fails on this version; "" when it is not known to."""
    return BROKEN_MIGRATION.get(re.split("[-+]", version)[0], "")


def next_version(current: str, goal: str, releases: Iterable[str]) -> str:
    """The version to install on the way from ``current`` to ``goal``; "" when no known release is of the next minor."""
    if minor(goal) - minor(current) <= 1:
        return goal
    between = [v for v in releases if minor(v) == minor(current) + 1 and parse(v)[0] == parse(goal)[0]]
    return highest(between)


def too_new(member: Member, version: str) -> bool:
    """Whether the program that waits on a node is newer than a cluster of this version may have."""
    return bool(member.program) and parse(member.program) > parse(version)


def cluster_version(wish: Wish, observed: Observed) -> str:
    """What a node that joins gets: the oldest version that a server has, so that no agent is newer than a server."""
    had = [m for m in observed.members if m.role in ("server", "witness") and m.joined]
    there = [m.version for m in had if m.machine != "gone" and m.node != "absent"]
    return lowest(there) or lowest(m.version for m in had) or wish.version
