"""K3s of another version on one node: its program is there already, du-node puts it into use."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from du_infra.cluster.action import Action
from du_infra.control.cluster.observe import plain_version
from du_infra.errors import EngineFailed, NotReady

if TYPE_CHECKING:
    from du_infra.control.cluster.act import Work

UPGRADE_SECONDS = 300
_TELLS_SECONDS = 120.0
_POLL_SECONDS = 1.0


def upgrade(work: Work, action: Action) -> None:
    """Have the node's K3s be ``action.version``, and wait until its Node says so.

    Raises what du-node says when it does not come up (the version before is back then), NotReady when the Node does not
    tell of it in time.
    """
    written = work.context.spec.k3s.version
    wanted = written if plain_version(written) == action.version else action.version
    order = {"version": wanted, "seconds": UPGRADE_SECONDS}
    work.nodes.order(work.node(action), "upgrade", order, 2 * UPGRADE_SECONDS)
    deadline = time.monotonic() + _TELLS_SECONDS
    while (said := _version(work, action)) != action.version:
        if time.monotonic() > deadline:
            raise NotReady(
                f"K3s {wanted} runs, and its Node tells of {said or 'nothing'} after {_TELLS_SECONDS:g} s",
                where=action.node,
                todo="see the journal of K3s there; run the same command again",
            )
        time.sleep(_POLL_SECONDS)


def _version(work: Work, action: Action) -> str:
    """What the Node says; "" while the API does not answer."""
    words = ["get", "node", action.node, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}"]
    try:
        return plain_version(work.nodes.kubectl(work.api(), words).strip())
    except EngineFailed:
        return ""
