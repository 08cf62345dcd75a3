"""What a cluster looks like after an action that did what it should. Pure; plans look ahead with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from du_infra.cluster.action import Action, Kind
from du_infra.cluster.state import Backup, EtcdMember, Member, Observed, Role, Wish


def after(step: Iterable[Action], wish: Wish, observed: Observed) -> Observed:
    """``observed`` as it should be once every action of ``step`` is done."""
    for action in step:
        observed = _of_the_cluster(action, observed)
        found = observed.find(action.node)
        if found is None:
            continue
        effect = _EFFECTS.get(action.kind)
        changed = effect(found, action) if effect else found
        members = tuple(changed if m.name == action.node else _others(action, m) for m in observed.members)
        observed = replace(observed, members=tuple(m for m in members if not _forgotten(m)))
    return observed


def _of_the_cluster(action: Action, observed: Observed) -> Observed:
    if action.kind == "backup":
        return replace(observed, backup=Backup(observed.now))
    if action.kind == "verify-backup" and observed.backup:
        return replace(observed, backup=replace(observed.backup, verified=True))
    if action.kind == "migrate":
        return replace(observed, datastore="etcd")
    if action.kind == "undo-migration":
        return replace(observed, datastore="sqlite", migration="undone", api=True)
    if action.kind in ("bootstrap", "restore"):
        datastore = action.datastore or observed.datastore
        return replace(observed, datastore=datastore, api=True, born=True, migration="")
    if action.kind == "reset" or (action.kind in ("start", "join-server") and not observed.api):
        return replace(observed, api=True)
    return observed


def _others(action: Action, member: Member) -> Member:
    """A restore and a reset leave one member in etcd, however many there were."""
    return replace(member, etcd=None, removing=False) if action.kind in ("reset", "restore") else member


def _forgotten(member: Member) -> bool:
    return member.machine == "gone" and member.node == "absent" and not member.secret and member.etcd is None


def _joined(member: Member, action: Action) -> Member:
    known = replace(member, service="running", node="ready", joined=True, secret=True, cordoned=False, drained=False)
    return replace(known, version=action.version or member.version)


def _serves(member: Member, action: Action) -> Member:
    datastore = action.datastore or member.datastore
    etcd = EtcdMember() if datastore == "etcd" else None
    role: Role = "witness" if action.kind == "join-witness" else "server"
    return replace(_joined(member, action), role=role, datastore=datastore, etcd=etcd)


def _started(member: Member, _: Action) -> Member:
    etcd = replace(member.etcd, healthy=True) if member.etcd else None
    return replace(member, service="running", node="ready", etcd=etcd, blind=False)


_EFFECTS: Mapping[Kind, Callable[[Member, Action], Member]] = {
    "bootstrap": _serves,
    "restore": _serves,
    "join-server": _serves,
    "join-witness": _serves,
    "join-agent": lambda m, a: replace(_joined(m, a), role="agent", datastore="", etcd=None),
    "follow": lambda m, _: replace(_started(m, _), astray=False),
    "start": _started,
    "restart": _started,
    "migrate": lambda m, _: replace(m, datastore="etcd", etcd=EtcdMember()),
    "undo-migration": lambda m, _: replace(_started(m, _), datastore="sqlite", etcd=None),
    "drain": lambda m, _: replace(m, cordoned=True, drained=True),
    "uncordon": lambda m, _: replace(m, cordoned=False, drained=False),
    "annotate-removal": lambda m, _: replace(m, etcd=None, node="not-ready"),
    "remove-etcd-member": lambda m, _: replace(m, etcd=None),
    "stop": lambda m, _: replace(m, service="disabled", node="not-ready" if m.node == "ready" else m.node),
    "halt": lambda m, _: replace(m, machine="stopped", answers=False, service="unknown"),
    "delete-node": lambda m, _: replace(m, node="absent", secret=False, cordoned=False, drained=False),
    "delete-secret": lambda m, _: replace(m, secret=False),
    "destroy": lambda m, _: replace(m, machine="gone", answers=False, service="unknown"),
    "upgrade": lambda m, a: replace(m, version=a.version),
    "reset": lambda m, _: replace(_started(m, _), etcd=EtcdMember(), removing=False),
}
