"""Releases that were cut off go on without their person, and end without nodes that are lost."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from du_infra.control.context import RegionContext
from du_infra.control.heal import Look, look, plan_heal
from du_infra.control.lock import locked
from du_infra.control.release.going_on import go_on
from du_infra.control.release.past import at_work
from du_infra.errors import Unreachable
from du_infra.health.heal import CONTROLLER
from du_infra.progress import Reporter
from du_infra.release.cut_off import CutOff, Mate, plan_cut_off


def cut_off_releases(context: RegionContext, seen: Look, lost: Collection[str]) -> tuple[CutOff, ...]:
    """What becomes of releases that nobody works on, as the region looks; changes nothing.

    ``lost`` are the nodes on which healing counts no more.
    """
    rows = context.store.rollouts.open(context.name) if seen.views else {}
    if not rows:
        return ()
    busy = {name for name in rows if at_work(context, name)}
    hindrance = "" if context.spec.heal.enabled else "healing is turned off"
    return plan_cut_off(rows.values(), busy, mates_of(seen, lost), hindrance=hindrance)


def end_releases(
    context: RegionContext, report: Reporter, tell: Callable[[Sequence[CutOff]], None], *, dry_run: bool = False
) -> list[str]:
    """Bring what :func:`cut_off_releases` finds under the region's lock to its end; ``tell`` hears of it first.

    Returns how each ended, in words. Raises Busy when another du-infra works on the region or took a release up, and
    the error of a release that has come to no end: it may be tried again.
    """
    with locked(context, report):
        seen = look(context)
        found = cut_off_releases(context, seen, plan_heal(context, seen).lost)
        tell(found)
        return [] if dry_run else [_end(context, one, report) for one in found if not one.waits]


def mates_of(seen: Look, lost: Collection[str]) -> list[Mate]:
    """The nodes on which the region counts, as a release depends on them."""
    reports = {told.name: told for told in seen.reports}
    return [
        Mate(
            name=view.name,
            answers=reports[view.name].answers,
            lost=view.name in lost,
            well=any(word for who, word in seen.votes.get(view.name, {}).items() if who != CONTROLLER),
            joined=view.joined,
        )
        for view in seen.views
        if not view.going
    ]


def _end(context: RegionContext, one: CutOff, report: Reporter) -> str:
    context.store.event(context.name, "release", str(one))
    ending = go_on(context, one.row, report, lost=one.lost)
    row = ending.rollouts[0]
    if row.state == "running":  # one that is held now waits for its person
        raise ending.error or Unreachable("a node does not answer", where=context.name)
    missing = f"; without {', '.join(ending.missing)}" if ending.missing else ""
    words = f"the release of {row.service} {row.release} is {row.state}{missing}{f': {row.why}' if row.why else ''}"
    context.store.event(context.name, "release", words)
    return words
