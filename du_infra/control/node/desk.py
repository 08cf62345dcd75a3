"""What the orders for single nodes share: the pool they find, and how they tell their end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.machines import own_machines
from du_infra.errors import Refused
from du_infra.pool.plan import PoolRecord


@dataclass(frozen=True)
class NodeResult:
    """What was done with a node. ``cut``: connections that did not end in time; ``nodes``: the region's now."""

    region: str
    node: str
    done: str
    cut: int
    nodes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``node … --output json`` (docs/cli.md)."""
        return asdict(self)


def pool_of(context: RegionContext, node: str) -> PoolRecord:
    """The region's pool. Raises Refused when it is not up or only Terraform knows the node, SpecError for no node."""
    record = context.must_be_up()
    if all(one.name != node for one in record.nodes):
        _refuse_unrecorded(context, node)
    record.named(node)
    return record


def _refuse_unrecorded(context: RegionContext, node: str) -> None:
    """A machine of ours that was made without du-infra, by Terraform say, is no node before somebody has it join."""
    context.provider.connect()
    if node in own_machines(context, context.provider.machines()):
        todo = f"`du-infra region reconcile {context.name}` has it join; or destroy it by what made it"
        raise Refused("its machine is there, but it is no node of the region yet", where=node, todo=todo)


def refuse_going(context: RegionContext, record: PoolRecord, node: str) -> None:
    """Raises Refused for a node that is on its way out: whatever it is given, it is drained and destroyed next."""
    state = record.named(node).state
    if record.named(node).staying:
        return
    todo = f"`du-infra region up {context.name}` goes on with it"
    if state == "leaving":
        todo += f"; `du-infra region scale {context.name} {len(record.staying) + 1}` takes it back"
    words = "another is to take its place, and then it leaves" if state == "replaced" else "it leaves the region"
    raise Refused(f"it is on its way out: {words}", where=node, todo=todo)


def result(context: RegionContext, node: str, done: str, record: PoolRecord, cut: int = 0) -> NodeResult:
    """How an order ended."""
    return NodeResult(context.name, node, done, cut, tuple(one.name for one in record.nodes))
