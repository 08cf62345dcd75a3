"""``node reboot``: a node is drained, rebooted, and takes requests again once it serves."""

from __future__ import annotations

from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.control.node.away import Leave, Work, while_away
from du_infra.control.node.boot import STAGE, await_boot, reboot_out_of
from du_infra.control.node.desk import NodeResult, pool_of
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Reporter, stage


def reboot(
    context: RegionContext, node: str, report: Reporter, *, cut_after: float | None = None, force: bool = False
) -> NodeResult:
    """Reboot a node, without a request lost where there are others.

    Killed on the way, the same command or ``region up`` ends it. A node that was drained by hand stays drained. Raises
    Refused when another node takes no requests (unless ``force``) or this one is on its way out, Unreachable when it
    does not answer, NotReady when it does not come back in time.
    """
    with locked(context, report):
        record = pool_of(context, node)
        done = while_away(context, record, node, report, rebooted_out_of(), Leave(cut_after, force))
        context.store.event(context.name, "reboot", node)
        return done


def rebooted_out_of(mark: str = "") -> Work:
    """The work of a reboot out of the boot ``mark``, out of the present one where it is ""."""

    def work(context: RegionContext, record: PoolRecord, node: Node, report: Reporter) -> str:
        with stage(report, STAGE, node.name):
            reboot_out_of(context, node, mark or await_boot(context, node).mark, report)
        return "rebooted"

    return work
