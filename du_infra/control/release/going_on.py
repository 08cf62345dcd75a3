"""An open release goes on: forward after a hold or a cut, or back; and the engine is set up from its row alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager

from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.control.release import site
from du_infra.control.release.desk import Desk, Ending
from du_infra.control.release.engine import Engine
from du_infra.control.release.resolve import kept, secrets_at_hand
from du_infra.control.release.rows import leased
from du_infra.progress import Reporter
from du_infra.release.aim import Aim
from du_infra.release.driver import Nodes
from du_infra.release.rollout import Rules
from du_infra.release.state import Rollout

_WAIT_SECONDS = 600.0


def our_turn(context: RegionContext, report: Reporter) -> AbstractContextManager[None]:
    """The region's lock, waited for: releases of other services, and a ``region up``, come to their end first."""
    return locked(context, report, wait=_WAIT_SECONDS)


def go_on(
    context: RegionContext,
    row: Rollout,
    report: Reporter,
    *,
    nodes: Nodes | None = None,
    stage: str = "",
    lost: Collection[str] = (),
) -> Ending:
    """Carry an open rollout to its end, from what the nodes show, with its lease held.

    ``nodes`` are the region's, with the secrets that can be read now, if nothing else is said; ``stage`` is the stage
    of a larger command that this is a part of; ``lost`` are nodes that may be left out on the way back. Raises Busy
    when somebody else is at work on it.
    """
    nodes = nodes or site.nodes(context, secrets_at_hand(context))
    what = f"{row.kind} of {row.service} {row.release}"
    with leased(context, {row.service: what}) as leases:
        desk = Desk(nodes, context.store.rollouts, report, leases, stage=stage)
        order = order_of(context, row)
        return Engine(desk, aim_of(context, row), rules_of(row), [row], order, lost=lost).run()


def aim_of(context: RegionContext, row: Rollout) -> Aim:
    """Where a rollout goes, by the records that the store keeps."""
    known = kept(context)
    return Aim(
        context.fleet.fleet,
        context.name,
        targets={row.service: known.record(row.service, row.release)},
        previous={row.service: known.record(row.service, row.previous)} if row.previous else {},
        rollouts={row.service: row.options["rollout"]},
        kept=known,
    )


def rules_of(row: Rollout) -> Rules:
    """What a rollout's options allow."""
    options = row.options
    return Rules(options["batch"], options["max_unavailable"], bool(options["rollout"]["hold"]), bool(row.previous))


def order_of(context: RegionContext, row: Rollout) -> Sequence[str]:
    """The region's nodes in the order in which the rollout began with them; nodes that came later at the end.

    Those on their way out are left as they are.
    """
    names = [node.name for node in context.store.pool(context.name).staying]
    known = [name for name in row.nodes if name in names]
    return [*known, *(name for name in names if name not in known)]
