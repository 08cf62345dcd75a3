"""What a plan consists of: small actions as data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.cluster.state import Datastore

Kind: TypeAlias = Literal[
    "bootstrap",
    "join-agent",
    "follow",
    "join-server",
    "join-witness",
    "start",
    "restart",
    "backup",
    "verify-backup",
    "migrate",
    "undo-migration",
    "drain",
    "uncordon",
    "annotate-removal",
    "remove-etcd-member",
    "stop",
    "halt",
    "delete-node",
    "delete-secret",
    "destroy",
    "upgrade",
    "restore",
    "reset",
]


@dataclass(frozen=True)
class Action:
    """One thing that is done to one node, and why.

    Doing it again after it was cut off is safe, whatever it had come to. ``version``: the K3s to install, where that
    is part of it. ``datastore``: what a first server keeps its data in.
    """

    kind: Kind
    node: str
    why: str
    version: str = ""
    datastore: Datastore = ""


@dataclass(frozen=True)
class Turn:
    """What one rule has to say.

    The actions of ``step`` may be done side by side. ``asks`` may be done once a person agrees. ``waits``: in words,
    what is amiss, and who has to do what. ``holds``: nothing that comes after this rule may be done now.
    """

    step: tuple[Action, ...] = ()
    asks: tuple[Action, ...] = ()
    waits: tuple[str, ...] = ()
    holds: bool = False


@dataclass(frozen=True)
class Plan:
    """What is to be done, in order. Only ``step`` may be acted on; then the cluster is observed and planned anew.

    ``later`` is what follows if every step does what it should, for a person to read.
    """

    steps: tuple[tuple[Action, ...], ...] = ()
    asks: tuple[Action, ...] = ()
    waits: tuple[str, ...] = ()

    @property
    def step(self) -> tuple[Action, ...]:
        """What may be done now, side by side."""
        return self.steps[0] if self.steps else ()

    @property
    def later(self) -> tuple[Action, ...]:
        """What is expected to follow."""
        return tuple(action for step in self.steps[1:] for action in step)

    @property
    def done(self) -> bool:
        """Whether all is as wanted."""
        return not (self.steps or self.asks or self.waits)


NOTHING = Turn()


def one(action: Action) -> Turn:
    """A turn with one action."""
    return Turn(step=(action,))


def wait(*words: str, holds: bool = False) -> Turn:
    """A turn that does nothing and says why."""
    return Turn(waits=words, holds=holds)
