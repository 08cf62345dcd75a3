"""Before a node is drained: it must see others that take requests, and one that was just made takes a moment."""

from __future__ import annotations

import time
from collections.abc import Collection

from du_infra.control.context import RegionContext
from du_infra.control.observe import observe_node
from du_infra.errors import NotReady
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter

STAGE = "leave"

_SECONDS = 30.0
_POLL_SECONDS = 0.5


def await_relief(context: RegionContext, node: Node, others: Collection[str], report: Reporter) -> None:
    """Wait until ``node`` sees all of ``others`` take requests; a node that serves nothing itself needs no relief.

    A node that sees nobody would serve on, and one that gave the region's address up to a node that knows nothing of
    it would cut the connections it has. Raises NotReady when it sees none of them in time; with some, they do.
    """
    began, told_of = time.monotonic(), False
    while True:
        told = observe_node(context, node)
        missing = sorted({*others} - seen_by(told))
        if not told.answers or not told.ready or not told.services or not missing:
            return
        if time.monotonic() - began > _SECONDS:
            break
        if not told_of:
            report(Event("step", STAGE, f"wait until it sees {', '.join(missing)} take requests", node=node.name))
            told_of = True
        time.sleep(_POLL_SECONDS)
    if len(missing) == len({*others}):
        raise NotReady(
            f"it does not see {', '.join(missing)} take requests, so there is nobody to take its own",
            where=node.name,
            todo="see `du-node status` there; `--force` of `node drain` and `node remove` does it all the same",
        )


def seen_by(told: NodeReport) -> set[str]:
    """The other nodes that take requests, as this one sees them."""
    return {str(peer.get("name")) for peer in told.peers if peer.get("up") and not peer.get("draining")}
