"""A cluster that lost its servers goes on: from the backup, on a new node, or with what the one that is left has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from du_infra.cluster.action import Action
from du_infra.control.cluster import backup, vault
from du_infra.errors import NotReady

if TYPE_CHECKING:
    from du_infra.control.cluster.act import Work

_SECONDS = 900.0
_RESET_SECONDS = 300


def restore(work: Work, action: Action) -> None:
    """Bring the newest backup onto the node, once it has been read back. Raises EngineFailed for a bad one."""
    there = vault.kept(work.context)
    if not there:
        raise NotReady("there is no backup", where=action.node, todo="see docs/k3s-day2.md")
    newest = backup.verify(work.context, there[0], work.nodes.report)
    work.nodes.order(work.node(action), "restore", vault.archive_of(work.context, newest.name), _SECONDS)


def reset(work: Work, action: Action) -> None:
    """Have etcd on the node forget all other members, and K3s run on what it has. Killed anywhere it is done again."""
    work.nodes.order(work.node(action), "reset", {"seconds": _RESET_SECONDS}, 2 * _RESET_SECONDS)
