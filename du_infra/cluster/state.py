"""What was observed of a region's K3s cluster, and what is wished for: plain data, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Role: TypeAlias = Literal["", "server", "agent", "witness"]
Service: TypeAlias = Literal["running", "starting", "stopped", "disabled", "failed", "unknown"]
NodeObject: TypeAlias = Literal["ready", "not-ready", "absent", "unknown"]
Datastore: TypeAlias = Literal["", "sqlite", "etcd", "external"]
MachineState: TypeAlias = Literal["running", "stopped", "gone"]
Migration: TypeAlias = Literal["", "failed", "undone"]


@dataclass(frozen=True)
class EtcdMember:
    """An entry of etcd's member list. ``healthy``: its own endpoint says so. A ``learner`` has no vote yet."""

    id: str = ""
    healthy: bool = True
    learner: bool = False


@dataclass(frozen=True)
class Member:
    """Everything that is known under one name: a machine, its K3s, and what the cluster remembers of it.

    ``machine``: the provider's word; "gone" when it has none, so that whatever else is set is a ghost. ``answers``:
    du-infra gets in. ``dead``: health has given it up. ``role``: what K3s on it is set up as, "" when nothing is
    installed; a "witness" is a server with etcd alone. ``service``: "disabled" is stopped and does not come back by
    itself. ``joined``: the name has been part of the cluster. ``secret``: the cluster keeps a node password for the
    name. ``program``: the version of a K3s that is not set up yet. ``astray``: an agent that was told of a server
    which is no more. ``blind``: an agent whose K3s started before etcd had this data (moved, reset or restored), and
    hears of nothing. ``removing``: etcd was asked to let it go. ``drained``: cordoned, and no pod is left to move.
    ``shared``: its machine is not the pool's but serves several regions, as a witness's does. While the API does not
    answer, ``etcd`` is as last known.
    """

    name: str
    machine: MachineState = "running"
    answers: bool = True
    dead: bool = False
    role: Role = ""
    service: Service = "stopped"
    node: NodeObject = "absent"
    cordoned: bool = False
    drained: bool = False
    shared: bool = False
    version: str = ""
    program: str = ""
    astray: bool = False
    blind: bool = False
    datastore: Datastore = ""
    etcd: EtcdMember | None = None
    removing: bool = False
    joined: bool = False
    secret: bool = False


@dataclass(frozen=True)
class Backup:
    """The newest copy of the datastore: when it was made (seconds), and whether it was read back."""

    at: float
    verified: bool = False


@dataclass(frozen=True)
class Observed:
    """A region's cluster in one look.

    ``api``: the API answers with credentials. ``born``: the region has had a cluster that answered, whether or not
    anything is left of it. ``migration``: how the move from sqlite to etcd went, if not well. ``now``: seconds, by the
    clock of ``backup``.
    """

    members: tuple[Member, ...] = ()
    api: bool = True
    born: bool = True
    datastore: Datastore = ""
    backup: Backup | None = None
    migration: Migration = ""
    now: float = 0.0

    def find(self, name: str) -> Member | None:
        """The member of this name."""
        return next((member for member in self.members if member.name == name), None)


@dataclass(frozen=True)
class Wish:
    """What is wanted of a region's cluster.

    ``nodes``: names of the pool's nodes that stay, those still to be made included, the preferred servers first.
    ``witness``: name of the third vote on a machine that is not the pool's. ``external``: the datastore is somebody
    else's. ``releases``: K3s versions that may be passed through on the way to ``version``. ``drained``: nodes that
    somebody drained by hand. ``going``: of ``nodes`` those that leave soon; another server takes the place of one
    before it goes. ``may_restore``: a person has agreed to a restore, or to a reset to one etcd
    member.
    """

    nodes: tuple[str, ...]
    version: str
    servers: Literal[1, 3] = 1
    witness: str = ""
    external: bool = False
    releases: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    going: tuple[str, ...] = ()
    may_restore: bool = False
