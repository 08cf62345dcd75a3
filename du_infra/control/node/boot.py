"""A node boots again, exactly once: which boot it is in, and whether it serves after another."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.observe import observe_node
from du_infra.engines import ssh
from du_infra.errors import DuError, NotReady, Unreachable
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter

STAGE = "reboot"

_BACK_SECONDS = 300.0
_POLL_SECONDS = 0.3
# A container's kernel is its host's, and so is the kernel's boot id; when systemd began is its own everywhere.
_PROPERTIES = "UserspaceTimestampMonotonic,SystemState"


@dataclass(frozen=True)
class Boot:
    """Which boot a node is in: ``mark`` differs from boot to boot. ``ending``: it is going down."""

    mark: str
    ending: bool = False


def boot_of(context: RegionContext, node: Node) -> Boot | None:
    """The boot that a node is in; None when it does not answer, or has not come so far."""
    try:
        told = ssh.run(context.target(node), ["systemctl", "show", "--property", _PROPERTIES], timeout=10)
    except DuError:
        return None
    facts = dict(line.partition("=")[::2] for line in told.stdout.splitlines())
    mark = facts.get("UserspaceTimestampMonotonic", "0")
    return Boot(mark, facts.get("SystemState") == "stopping") if mark != "0" else None


def present_boot(context: RegionContext, node: Node) -> Boot:
    """The boot that a node is in now. Raises Unreachable when it does not answer."""
    if (boot := boot_of(context, node)) is None:
        why = observe_node(context, node).why or "does not answer"
        todo = f"`du-infra node replace {node.name}`, or restart it where it was made, then `du-infra region up`"
        raise Unreachable(f"cannot be taken out of service: {why}", where=node.name, todo=todo)
    return boot


def await_boot(context: RegionContext, node: Node) -> Boot:
    """The boot that a node stays in: one that is going down, or coming up, is waited for. Raises NotReady."""
    deadline = _deadline()
    while (boot := boot_of(context, node)) is None or boot.ending:
        ssh.close(context.target(node))
        _wait(context, node, deadline, "does not answer after its reboot")
    return boot


def reboot_out_of(context: RegionContext, node: Node, mark: str, report: Reporter) -> None:
    """Have a node that is in the boot ``mark`` boot again, and wait until it serves what it should.

    Nothing is done to one that is in another boot already. Raises NotReady when it does not serve in time.
    """
    boot = boot_of(context, node)
    if boot is not None and boot.mark == mark:
        with contextlib.suppress(Unreachable):  # the connection ends with the machine
            ssh.run(context.target(node), ["systemctl", "reboot"], timeout=10)
        report(Event("step", STAGE, "goes down", node=node.name))
        ssh.close(context.target(node))
    deadline = _deadline()
    while (boot := boot_of(context, node)) is None or boot.mark == mark or not observe_node(context, node).ready:
        _wait(context, node, deadline, f"does not serve {_BACK_SECONDS:g} s after its reboot")


def await_serving(context: RegionContext, node: Node, after: str) -> None:
    """Wait until a node serves what it should ``after`` something that was done to it. Raises NotReady."""
    deadline = _deadline()
    while not observe_node(context, node).ready:
        _wait(context, node, deadline, f"does not serve {_BACK_SECONDS:g} s after {after}")


def _deadline() -> float:
    return time.monotonic() + _BACK_SECONDS


def _wait(context: RegionContext, node: Node, deadline: float, what: str) -> None:
    if time.monotonic() > deadline:
        todo = f"look at its console; then `du-infra region up {context.name}` goes on"
        raise NotReady(what, where=node.name, todo=todo)
    time.sleep(_POLL_SECONDS)
