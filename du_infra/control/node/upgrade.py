"""``node upgrade``: a node is drained, its packages are brought up to date, and it reboots if it says that it must."""

from __future__ import annotations

from dataclasses import replace

from du_infra.control.configure import configure_nodes
from du_infra.control.context import RegionContext
from du_infra.control.leave import connected
from du_infra.control.lock import locked
from du_infra.control.node.away import Leave, while_away
from du_infra.control.node.boot import STAGE as REBOOT
from du_infra.control.node.boot import await_boot, await_serving, reboot_out_of
from du_infra.control.node.desk import NodeResult, pool_of
from du_infra.control.observe import observe_nodes
from du_infra.engines import ssh
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter, stage

STAGE = "upgrade"

_PLAYBOOK = "upgrade.yml"
# Packages leave it for whoever reboots; it is in memory, so that a reboot takes it away. /var/run is a link to /run.
_ASKS_FOR_REBOOT = ["test", "-e", "/run/reboot-required"]


def upgrade(
    context: RegionContext, node: str, report: Reporter, *, cut_after: float | None = None, force: bool = False
) -> NodeResult:
    """Bring a node's packages up to date, without a request lost where there are others.

    It is rebooted only if a package asks for it, now or since an earlier upgrade. Killed on the way, the same command
    goes on. Raises what ``reboot`` does, and EngineFailed with apt's own message; the node serves on then.
    """
    with locked(context, report):
        record = pool_of(context, node)
        done = while_away(context, record, node, report, upgraded, Leave(cut_after, force))
        context.store.event(context.name, "upgrade", node)
        return done


def upgraded(context: RegionContext, record: PoolRecord, node: Node, report: Reporter) -> str:
    """The work of an upgrade; "up to date" when there was nothing to do."""
    with stage(report, STAGE, node.name):
        changed = _bring_up_to_date(context, node, report)
        _mend(context, record, node, report)
    done = ["upgraded"] if changed else []
    if ssh.run(context.target(node), _ASKS_FOR_REBOOT).rc == 0:
        with stage(report, REBOOT, node.name):
            reboot_out_of(context, node, await_boot(context, node).mark, report)
        done.append("rebooted")
    await_serving(context, node, "its upgrade")
    return ", ".join(done) or "up to date"


def _mend(context: RegionContext, record: PoolRecord, node: Node, report: Reporter) -> None:
    """Have the node be configured where a package had its own idea of a file of ours."""
    reports = observe_nodes(context, record.nodes)
    drifted = [told for told in reports if told.name == node.name and told.drift]
    if drifted:
        configure_nodes(context, connected(record, reports), drifted, report)


def _bring_up_to_date(context: RegionContext, node: Node, report: Reporter) -> bool:
    from du_infra.engines.ansible import run_playbook

    def tell(event: Event) -> None:
        report(replace(event, stage=STAGE))

    folder = context.home / "ansible"
    return run_playbook(_PLAYBOOK, [context.target(node)], {}, {}, folder, tell).changed > 0
