"""What ``region doctor`` finds: what is amiss now, or will be, though requests are served. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from du_infra.cluster.bootstrap import was_born
from du_infra.cluster.state import Member, Observed
from du_infra.cluster.versions import highest, lowest, minor, parse

Level: TypeAlias = Literal["bad", "warning"]
Examined: TypeAlias = Mapping[str, Any]

DAY = 86400.0
LATE_BACKUP = 2 * DAY
"""Twice what `control run` allows."""

_DISK_BAD, _DISK_LOW = 0.05, 0.15
"""Free shares: at the first the kubelet sends pods away (role k3s), images are collected well before the second."""

_CLOCK_BAD, _CLOCK_OFF = 30.0, 2.0
_SOON, _LATER = 30 * DAY, 90 * DAY
_AUTHORITY_LATER = 365 * DAY


@dataclass(frozen=True)
class Finding:
    """``where``: a node, or the region. ``todo``: what helps. Only what is "bad" makes the region unsound."""

    level: Level
    where: str
    what: str
    todo: str = ""


@dataclass(frozen=True)
class NodeFacts:
    """A node as it was examined (du_node.examine); ``told`` is None where it did not say, and ``why`` then says why.

    ``ahead``: by how many seconds its clock is ahead of ours at least; negative: behind. ``drift``: files that were
    changed by hand.
    """

    name: str
    told: Examined | None = None
    why: str = ""
    ahead: float = 0.0
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cluster:
    """A K3s cluster as it was seen. ``stale``: by node, files that K3s has not read since they changed."""

    observed: Observed
    version: str
    stale: Mapping[str, Sequence[str]] = field(default_factory=dict)


def diagnose(region: str, nodes: Iterable[NodeFacts], cluster: Cluster | None, now: float) -> list[Finding]:
    """Everything that is found, what is bad first. ``now``: unix seconds by our clock."""
    found = [finding for node in nodes for finding in _node(node, now)]
    if cluster:
        found += _cluster(region, cluster)
    return sorted(found, key=lambda one: (one.level != "bad", one.where))


def _node(node: NodeFacts, now: float) -> Iterator[Finding]:
    if node.told is None:
        yield Finding("bad", node.name, node.why or "it does not answer", "see `du-infra region status`")
        return
    yield from _clock(node)
    for disk in node.told.get("disks") or ():
        yield from _disk(node.name, disk)
    for one in node.told.get("certificates") or ():
        yield from _certificate(node.name, one, now)
    k3s = node.told.get("k3s") or {}
    if waits := k3s.get("next"):
        yield Finding("warning", node.name, f"K3s {waits} waits to take {k3s.get('program')}'s place", _UP)
    if node.drift:
        yield Finding("warning", node.name, f"changed by hand: {', '.join(node.drift)}", _UP)


_UP = "`du-infra region up`"


def _clock(node: NodeFacts) -> Iterator[Finding]:
    if abs(node.ahead) > _CLOCK_OFF:
        word = "ahead of" if node.ahead > 0 else "behind"
        level: Level = "bad" if abs(node.ahead) > _CLOCK_BAD else "warning"
        todo = "see `timedatectl` there: certificates and leases go by the clock"
        yield Finding(level, node.name, f"its clock is {abs(node.ahead):.0f} s {word} ours", todo)


def _disk(node: str, disk: Mapping[str, Any]) -> Iterator[Finding]:
    for what, free, whole in (("", "free", "size"), (" of inodes", "inodes_free", "inodes")):
        if not disk.get(whole):
            continue  # a file system that counts no inodes has 0 of them
        share = disk[free] / disk[whole]
        if share < _DISK_LOW:
            level: Level = "bad" if share < _DISK_BAD else "warning"
            todo = f"see `du -x -d2 {disk['path']}` there, or give the region larger machines"
            yield Finding(level, node, f"{disk['path']} has {share:.0%}{what} left", todo)


def _certificate(node: str, one: Mapping[str, Any], now: float) -> Iterator[Finding]:
    left, authority = one["until"] - now, bool(one.get("authority"))
    if left >= (_AUTHORITY_LATER if authority else _LATER):
        return
    level: Level = "bad" if left < _SOON else "warning"
    words = f"expires in {left / DAY:.0f} days" if left > 0 else "has expired"
    todo = "K3s does not renew it by itself: docs.k3s.io, `k3s certificate rotate-ca`" if authority else _RENEW
    yield Finding(level, node, f"{one['file']} {words}", todo)


_RENEW = "K3s renews it when it starts: `du-infra node reboot`"


def _cluster(region: str, cluster: Cluster) -> Iterator[Finding]:
    seen = cluster.observed
    if was_born(seen) and not seen.api:
        yield Finding("bad", region, "the cluster's API does not answer", "see `du-infra region status`")
    for member in seen.members:
        yield from _ghost(member)
    yield from _versions(region, cluster)
    yield from _backup(region, seen)
    for name, files in cluster.stale.items():
        yield Finding("warning", name, f"K3s has not read since it changed: {', '.join(files)}", _UP)


def _ghost(member: Member) -> Iterator[Finding]:
    """What the cluster remembers of machines that are no more, or of Nodes that are none."""
    gone = member.machine == "gone"
    if member.etcd is not None and gone:
        yield Finding("bad", member.name, "is a member of etcd, and there is no machine for it", _UP)
    if member.node in ("ready", "not-ready") and gone:
        yield Finding("warning", member.name, "has a Node, and there is no machine for it", _UP)
    elif member.secret and member.node == "absent":
        what = "K3s keeps a password for it, and it has no Node" + ("" if gone else ": it could not join by this name")
        yield Finding("warning", member.name, what, _UP if gone else "`du-infra node replace`")


def _versions(region: str, cluster: Cluster) -> Iterator[Finding]:
    there = [m for m in cluster.observed.members if m.version and m.machine != "gone"]
    serving = [m.version for m in there if m.role in ("server", "witness")]
    for member in there:
        if member.role == "agent" and serving and parse(member.version) > parse(lowest(serving)):
            words = f"K3s {member.version} is newer than the servers' {lowest(serving)}"
            yield Finding("bad", member.name, words, _UP)
    if serving and minor(highest(serving)) - minor(lowest(serving)) > 1:
        yield Finding("bad", region, f"its servers run {lowest(serving)} to {highest(serving)}: two minors apart", _UP)
    behind = sorted({m.name for m in there if parse(m.version) != parse(cluster.version)})
    if behind:
        versions = ", ".join(sorted({m.version for m in there if m.name in behind}))
        yield Finding("warning", ", ".join(behind), f"runs {versions}, and fleet.yaml says {cluster.version}", _UP)


def _backup(region: str, seen: Observed) -> Iterator[Finding]:
    if not was_born(seen) or seen.datastore == "external":
        return
    make = f"`du-infra region backup {region}`, or `du-infra control run`, which makes one a day"
    if seen.backup is None:
        yield Finding("bad", region, "its cluster has no backup on this machine", make)
        return
    if (age := seen.now - seen.backup.at) > LATE_BACKUP:
        yield Finding("bad", region, f"the newest backup of its cluster is {age / DAY:.1f} days old", make)
    if not seen.backup.verified:
        yield Finding("warning", region, "the newest backup of its cluster has not been read back", make)
