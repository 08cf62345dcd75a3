"""A small K3s cluster that obeys and disobeys as a real one may. Every action is checked before it is done.

Not how K3s works inside, but what it shows: a server that joins is a learner first, a service that crashed comes back
by itself, a Node whose K3s runs registers again, etcd without a majority answers nobody.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

from du_infra.cluster.action import Action
from du_infra.cluster.quorum import majority
from du_infra.cluster.state import Backup, Datastore, EtcdMember, Member, Migration, Observed, Wish
from du_infra.cluster.versions import lowest, minor, parse

Luck: TypeAlias = Literal["done", "half", "nothing"]
STEP_SECONDS = 60.0


@dataclass
class World:
    """The truth. ``members`` are kept as they would be observed, but for what ``observe`` derives."""

    wish: Wish
    members: dict[str, Member] = field(default_factory=dict)
    datastore: Datastore = ""
    born: bool = False
    backup: Backup | None = None
    saved: dict[str, Member] = field(default_factory=dict)
    migration: Migration = ""
    migrates: bool = True
    now: float = 0.0
    log: list[str] = field(default_factory=list)

    def runs(self, member: Member) -> bool:
        return member.machine == "running" and member.answers and not member.dead and member.service == "running"

    def voters(self) -> list[Member]:
        return [m for m in self.members.values() if m.etcd and not m.etcd.learner]

    def quorum(self, voters: list[Member]) -> bool:
        return sum(self.runs(m) for m in voters) >= majority(len(voters))

    def api(self) -> bool:
        serving = [m for m in self.members.values() if m.role == "server" and self.runs(m)]
        if self.datastore == "etcd":
            return bool([m for m in serving if m.etcd]) and self.quorum(self.voters())
        return any(m.datastore == self.datastore for m in serving) and self.datastore != ""

    def observe(self) -> Observed:
        api = self.api()
        self.born = self.born or api
        seen = tuple(self._seen(member, api) for member in self.members.values())
        return Observed(seen, api, self.born, self.datastore, self.backup, self.migration, self.now)

    def _seen(self, member: Member, api: bool) -> Member:
        node = member.node
        if node != "absent":
            node = "unknown" if not api else "ready" if self.runs(member) else "not-ready"
        etcd = replace(member.etcd, healthy=self.runs(member)) if member.etcd else None
        reached = member.machine == "running" and member.answers and not member.dead
        return replace(member, node=node, etcd=etcd, service=member.service if reached else "unknown")

    # What time does

    def tick(self) -> None:
        self.now += STEP_SECONDS
        for name in list(self.members):
            member = self.members[name]
            if member.machine == "running" and member.answers and not member.dead:
                self.members[name] = self._moved_on(member)
        gone = [m for m in self.members.values() if m.machine == "gone" and m.node == "absent"]
        for member in gone:
            if not member.secret and not member.etcd:
                del self.members[member.name]

    def _moved_on(self, member: Member) -> Member:
        if member.removing and self.api() and member.etcd:
            return replace(member, etcd=None, removing=False)
        if member.etcd and member.etcd.learner and self.runs(member) and self.api():
            return replace(member, etcd=EtcdMember())
        if member.service != "starting":
            return member
        if self._first(member) or member.etcd:
            return self._registered(member) if not member.etcd else replace(member, service="running")
        if not self.api():
            return member
        if member.role != "agent" and self.datastore == "etcd":
            if any(m.etcd and m.etcd.learner for m in self.members.values()):
                return member
            return replace(self._registered(member), etcd=EtcdMember(learner=True))
        return self._registered(member)

    def _first(self, member: Member) -> bool:
        """Whether it needs nobody else: it has the whole database, or the database is elsewhere."""
        return member.role == "server" and member.datastore == self.datastore in ("sqlite", "external")

    def _registered(self, member: Member) -> Member:
        return replace(member, service="running", node="ready", joined=True, secret=True)

    # What is done to it

    def act(self, action: Action, luck: Luck = "done") -> None:
        self.log.append(f"{action.kind} {action.node}: {luck}")
        self._check(action)
        if luck == "nothing":
            return
        member = self.members[action.node]
        self.members[action.node] = getattr(self, f"_{action.kind.replace('-', '_')}")(member, action, luck == "half")

    def _bootstrap(self, member: Member, action: Action, half: bool) -> Member:
        made = replace(member, role="server", datastore=action.datastore, version=action.version)
        if half:
            return made
        self.datastore = action.datastore
        etcd = EtcdMember() if action.datastore == "etcd" else None
        return replace(made, service="running", etcd=etcd, node="ready", joined=True, secret=True)

    def _join_agent(self, member: Member, action: Action, half: bool) -> Member:
        made = replace(member, role="agent", version=action.version, datastore="", service="stopped")
        return made if half else replace(made, service="starting", cordoned=False, drained=False)

    def _join_server(self, member: Member, action: Action, half: bool) -> Member:
        made = replace(member, role="server", version=action.version, datastore=action.datastore, service="stopped")
        if half:
            return made
        made = replace(made, service="starting", cordoned=False, drained=False)
        alone = self.datastore == "etcd" and not self.api()
        return replace(self._registered(made), etcd=EtcdMember()) if alone else made

    def _join_witness(self, member: Member, action: Action, half: bool) -> Member:
        return replace(self._join_server(member, action, half), role="witness")

    def _follow(self, member: Member, action: Action, half: bool) -> Member:
        return member if half else replace(member, astray=False, service="starting")

    def _start(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, service="failed" if half else "starting", blind=False)

    _restart = _start

    def _backup(self, member: Member, action: Action, half: bool) -> Member:
        if not half:
            self.save()
        return member

    def save(self) -> None:
        """A backup, as somebody makes them every night."""
        self.backup, self.saved = Backup(self.now), dict(self.members)

    def _verify_backup(self, member: Member, action: Action, half: bool) -> Member:
        if self.backup and not half:
            self.backup = replace(self.backup, verified=True)
        return member

    def _migrate(self, member: Member, action: Action, half: bool) -> Member:
        if half or not self.migrates:
            self.migration = "failed"
            return replace(member, service="failed")
        self.datastore = "etcd"
        for name, other in self.members.items():
            self.members[name] = replace(other, blind=other.role == "agent" and other.service == "running")
        return replace(member, datastore="etcd", etcd=EtcdMember())

    def _undo_migration(self, member: Member, action: Action, half: bool) -> Member:
        if half:
            return member
        self.migration, self.datastore = "undone", "sqlite"
        return replace(member, datastore="sqlite", etcd=None, service="running")

    def _drain(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, cordoned=True, drained=not half)

    def _uncordon(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, cordoned=False, drained=False)

    def _annotate_removal(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, removing=True)

    def _remove_etcd_member(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, etcd=None, removing=False)

    def _stop(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, service="stopped" if half else "disabled")

    def _halt(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, machine="stopped")

    def _delete_node(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, node="absent", secret=half, cordoned=False, drained=False)

    def _delete_secret(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, secret=False)

    def _destroy(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, machine="gone")

    def _upgrade(self, member: Member, action: Action, half: bool) -> Member:
        return replace(member, version=action.version, service="failed" if half else "starting")

    def _reset(self, member: Member, action: Action, half: bool) -> Member:
        if half:
            return member
        for name, other in self.members.items():
            self.members[name] = replace(other, etcd=None, removing=False)
        self.datastore = "etcd"
        return replace(member, etcd=EtcdMember(), service="running", removing=False)

    def _restore(self, member: Member, action: Action, half: bool) -> Member:
        made = replace(member, role="server", version=action.version, datastore=action.datastore)
        if half:
            return made
        for name in {*self.members, *self.saved}:
            old = self.saved.get(name, Member(name))
            now = self.members.get(name, Member(name, machine="gone", joined=True))
            self.members[name] = replace(now, etcd=None, removing=False, node=old.node, secret=old.secret)
        for name, other in self.members.items():
            self.members[name] = replace(other, astray=other.role == "agent" and other.joined)
        self.migration = ""
        etcd = EtcdMember() if action.datastore == "etcd" else None
        return replace(self._registered(made), etcd=etcd)

    # What must never be done

    def _check(self, action: Action) -> None:
        member, told = self.members[action.node], "\n".join(self.log)
        getattr(self, f"_check_{action.kind.replace('-', '_')}", lambda *_: None)(member, action, told)
        if member.machine == "gone":
            assert action.kind in ("remove-etcd-member", "delete-node", "delete-secret"), told

    def _check_follow(self, member: Member, action: Action, told: str) -> None:
        assert member.role == "agent", told
        assert self.api(), told

    def _check_bootstrap(self, member: Member, action: Action, told: str) -> None:
        assert not self.born, told
        assert not [m for m in self.members.values() if m.joined], told

    def _check_join_agent(self, member: Member, action: Action, told: str) -> None:
        assert member.role or not (member.joined or member.secret), f"a name is reused\n{told}"
        assert parse(action.version) <= parse(self._oldest_server()), told
        assert not member.etcd, told
        assert self.api(), told

    def _check_join_server(self, member: Member, action: Action, told: str) -> None:
        assert member.role or not (member.joined or member.secret), f"a name is reused\n{told}"
        if self.datastore == "etcd" and self.api():
            assert all(self.runs(m) for m in self.voters()), told
            assert not [m for m in self.members.values() if m.etcd and (m.etcd.learner or m.removing)], told

    _check_join_witness = _check_join_server

    def _check_drain(self, member: Member, action: Action, told: str) -> None:
        assert not member.blind, told

    def _check_migrate(self, member: Member, action: Action, told: str) -> None:
        assert self.backup is not None, told
        assert self.backup.verified, told

    def _check_annotate_removal(self, member: Member, action: Action, told: str) -> None:
        others = [m for m in self.voters() if m.name != member.name]
        assert all(self.runs(m) for m in others), told
        self._check_remove_etcd_member(member, action, told)

    def _check_remove_etcd_member(self, member: Member, action: Action, told: str) -> None:
        others = [m for m in self.voters() if m.name != member.name]
        assert not [m for m in self.members.values() if m.etcd and m.removing and m.name != member.name], told
        assert others, told
        assert self.quorum(self.voters()), told
        assert self.quorum(others), told

    def _check_stop(self, member: Member, action: Action, told: str) -> None:
        if not self.born or (self.wish.may_restore and not self.api()):
            return
        assert member.etcd is None, told
        if member.role == "server":
            assert [m for m in self.members.values() if self.runs(m) and m.role == "server" and m != member], told

    def _check_halt(self, member: Member, action: Action, told: str) -> None:
        assert member.dead, told
        assert not member.shared, told

    def _check_delete_node(self, member: Member, action: Action, told: str) -> None:
        off = member.machine != "running" or member.service == "disabled" or member.role == ""
        assert off, told
        assert self.api(), told

    def _check_destroy(self, member: Member, action: Action, told: str) -> None:
        assert member.name not in self.wish.nodes, told
        assert not member.shared, told
        assert (member.node, member.secret, member.etcd) == ("absent", False, None), told
        assert [m for m in self.members.values() if self.runs(m) and m.role == "server" and m != member], told

    def _check_upgrade(self, member: Member, action: Action, told: str) -> None:
        servers = [m.version for m in self._servers()]
        assert minor(action.version) - minor(member.version) in (0, 1), told
        if member.role == "agent":
            assert parse(action.version) <= parse(self._oldest_server()), told
        else:
            assert all(minor(action.version) - minor(v) <= 1 for v in servers), told
            assert all(self.runs(m) for m in self.voters()), told

    def _check_reset(self, member: Member, action: Action, told: str) -> None:
        assert self.wish.may_restore, told
        assert not self.api(), told
        assert not [m for m in self.voters() if m != member and m.machine == "running" and m.service == "running"], told

    def _check_restore(self, member: Member, action: Action, told: str) -> None:
        assert self.wish.may_restore, told
        assert not self.api(), told
        assert self.backup is not None, told

    def _oldest_server(self) -> str:
        return lowest(m.version for m in self._servers())

    def _servers(self) -> list[Member]:
        kept = [m for m in self.members.values() if m.machine != "gone" and m.role in ("server", "witness")]
        return [m for m in kept if m.joined and m.node != "absent" and not m.dead]


def dice(seed: int) -> random.Random:
    """Chance that can be repeated."""
    return random.Random(seed)
