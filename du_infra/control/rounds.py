"""Every node of a region is rebooted, or upgraded: one at a time, the holder of the region's address last.

Which nodes have had their turn is written down as they have it. A round that fails or is killed is gone on with by the
same order; the next one after its end begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.control.machines import views_of
from du_infra.control.node.away import Leave, patiently, while_away
from du_infra.control.node.boot import boot_of, present_boot
from du_infra.control.node.desk import NodeResult, result
from du_infra.control.node.reboot import rebooted_out_of
from du_infra.control.node.upgrade import upgraded
from du_infra.control.region_plan import Action, RegionPlan
from du_infra.errors import DuError, Refused
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import NodeView
from du_infra.pool.turns import Round, RoundKind, next_turn, turns
from du_infra.progress import Reporter
from du_infra.store.database import actor


@dataclass(frozen=True)
class Turn:
    """What was done with one node; ``cut``: connections that did not end in time."""

    node: str
    done: str
    cut: int


@dataclass(frozen=True)
class RoundResult:
    """A round at its end. ``before``: nodes that had their turn before the round was cut off and gone on with."""

    region: str
    kind: RoundKind
    nodes: tuple[Turn, ...]
    before: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``region reboot|upgrade --output json`` (docs/cli.md)."""
        return asdict(self)


def plan_round(context: RegionContext, kind: RoundKind, *, force: bool = False) -> RegionPlan:
    """What :func:`run_round` would do now; changes nothing."""
    record = context.must_be_up()
    views = views_of(context, record)
    begun = _open(context, kind, record) or Round(kind)
    actions = [Action(kind, name, _why(name, views, begun)) for name in turns(record.nodes, views, begun)]
    return RegionPlan(context.name, tuple(actions), (*_notes(begun), *_hindrance(record, views, begun, force)))


def run_round(
    context: RegionContext,
    kind: RoundKind,
    report: Reporter,
    *,
    cut_after: float | None = None,
    force: bool = False,
) -> RoundResult:
    """Have every node have its turn, as ``node reboot`` or ``node upgrade`` does it; the region stays ready.

    Before each turn all other nodes must take requests (unless ``force``), else Refused is raised. It stops at the
    first failure with that node's error, whose ``done`` says which nodes are done and which are left.
    """
    with locked(context, report):
        record = context.must_be_up()
        begun = _open(context, kind, record) or context.store.rounds.begin(context.name, kind, actor())
        had = [_turn_of(told) for told in _run(context, begun, report, Leave(cut_after, force))]
        context.store.rounds.end(context.name, kind)
        return RoundResult(context.name, kind, tuple(had), begun.done)


def _open(context: RegionContext, kind: RoundKind, record: PoolRecord) -> Round | None:
    """The round to go on with; one in which nobody is left has ended, whoever was killed before saying so."""
    begun = context.store.rounds.open(context.name, kind)
    return begun if begun and turns(record.nodes, {}, begun) else None


def _run(context: RegionContext, begun: Round, report: Reporter, leave: Leave) -> Iterator[NodeResult]:
    while True:
        record = context.must_be_up()
        try:
            name = patiently(context, record, partial(next_turn, record.nodes, begun=begun, force=leave.force))
            if not name:
                return
            begun = _begin_turn(context, record, begun, name)
            yield _have_turn(context, record, begun, report, leave)
        except DuError as error:
            error.done = "; ".join(filter(None, [error.done, _so_far(record, begun)]))
            raise
        begun = context.store.rounds.change(context.name, replace(begun, done=(*begun.done, name), turn="", boot=""))


def _begin_turn(context: RegionContext, record: PoolRecord, begun: Round, name: str) -> Round:
    """Write down whose turn it is, and the boot it is in: by that one sees whether it has been rebooted."""
    if begun.turn == name:
        return begun
    boot = present_boot(context, record.named(name))
    return context.store.rounds.change(context.name, replace(begun, turn=name, boot=boot.mark))


def _have_turn(context: RegionContext, record: PoolRecord, begun: Round, report: Reporter, leave: Leave) -> NodeResult:
    if _is_over(context, record, begun):
        return result(context, begun.turn, "rebooted", record)
    work = upgraded if begun.kind == "upgrade" else rebooted_out_of(begun.boot)
    told = while_away(context, record, begun.turn, report, work, leave)
    context.store.event(context.name, begun.kind, begun.turn)
    return told


def _is_over(context: RegionContext, record: PoolRecord, begun: Round) -> bool:
    """Whether a reboot that was cut off has been brought to its end since, by `region up` say."""
    node = record.named(begun.turn)
    if begun.kind != "reboot" or node.state:
        return False
    boot = boot_of(context, node)
    return boot is not None and boot.mark != begun.boot


def _turn_of(told: NodeResult) -> Turn:
    return Turn(told.node, told.done, told.cut)


def _why(name: str, views: Mapping[str, NodeView], begun: Round) -> str:
    if name == begun.turn:
        return "its turn was cut off"
    return "it holds the region's address" if name in views and views[name].front else "one after the other"


def _notes(begun: Round) -> tuple[str, ...]:
    if not begun.done and not begun.turn:
        return ()
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(begun.started))
    done = f"; done are {', '.join(begun.done)}" if begun.done else ""
    return (f"goes on with the {begun.kind} that {begun.actor} began at {since}{done}",)


def _hindrance(record: PoolRecord, views: Mapping[str, NodeView], begun: Round, force: bool) -> tuple[str, ...]:
    try:
        next_turn(record.nodes, views, begun, force=force)
    except Refused as error:
        return (f"{error.where}: takes no requests now; before it does, nothing begins",)
    return ()


def _so_far(record: PoolRecord, begun: Round) -> str:
    left = turns(record.nodes, {}, begun)
    done = f"done are {', '.join(begun.done)}" if begun.done else "no node is done"
    return f"{done}; left are {', '.join(left)}; the same command goes on with them"
