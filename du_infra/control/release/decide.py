"""What a person decides of an open release: promote it, abort it, or have it go on where it was cut off."""

from __future__ import annotations

import time

from du_infra.control.context import RegionContext
from du_infra.control.release import site
from du_infra.control.release.desk import Ending
from du_infra.control.release.going_on import go_on, our_turn
from du_infra.control.release.rows import lease_of
from du_infra.errors import Refused
from du_infra.progress import Event, Reporter
from du_infra.release.options import let_go
from du_infra.release.state import Rollout
from du_infra.store.database import actor
from du_infra.store.leases import busy

_LOOK_SECONDS = 0.2


def open_release(context: RegionContext, service: str = "") -> Rollout:
    """The open release of ``service``, or without it the only one of the region. Raises Refused."""
    rows = context.store.rollouts.open(context.name) if context.is_begun else {}
    if service:
        site.service_of(context, service)
        rows = {name: row for name, row in rows.items() if name == service}
    if len(rows) == 1:
        return next(iter(rows.values()))
    where = f"region {context.name}"
    if rows:
        raise Refused("several releases are open", where=where, todo=f"name one of: {', '.join(rows)}")
    of = f" of {service}" if service else ""
    raise Refused(f"no release{of} is under way or held", where=where, todo="`du-infra release list` shows the past")


def promote(context: RegionContext, service: str, report: Reporter) -> Ending:
    """Have a held release go on. Raises Refused when it is not held, Busy when somebody is at work on it."""
    row = open_release(context, service)
    _nobody_at_work(context, row)
    if row.state != "held":
        raise site.unfinished(row)
    with our_turn(context, report):
        row = context.store.rollouts.change(row.id, state="running", options=let_go(row.options))
        return go_on(context, row, report)


def resume(context: RegionContext, service: str, report: Reporter) -> Ending:
    """Have a release that was cut off go on, forward or back. Raises Refused when it is held, Busy at work."""
    row = open_release(context, service)
    _nobody_at_work(context, row)
    if row.state == "held":
        raise site.unfinished(row)
    with our_turn(context, report):
        return go_on(context, row, report)


def abort(context: RegionContext, service: str, report: Reporter) -> Ending:
    """Have a release go back everywhere: by whoever is at work on it, or by us when nobody is.

    The error of the ending is None when it went back. Raises Refused when nothing is open.
    """
    row = open_release(context, service)
    row = context.store.rollouts.change(row.id, request=row.request or actor())
    if _left_to_its_controller(context, row, report):
        return Ending((context.store.rollouts.get(row.id),))
    with our_turn(context, report):
        if not context.store.rollouts.get(row.id).open:
            return Ending((context.store.rollouts.get(row.id),))
        why = row.why or f"aborted by {row.request}"
        row = context.store.rollouts.change(row.id, state="running", direction="back", why=why)
        ending = go_on(context, row, report)
    went_back = ending.rollouts[0].state == "aborted"
    return Ending(ending.rollouts, None if went_back else ending.error, worked=True)


def _left_to_its_controller(context: RegionContext, row: Rollout, report: Reporter) -> bool:
    """Wait while another process, which sees the request, goes back; whether it came to the end."""
    told = False
    while holder := context.store.leases.holder(lease_of(context, row.service)):
        if not told:
            report(Event("step", "release", f"{holder.who} goes back; waiting for it"))
            told = True
        time.sleep(_LOOK_SECONDS)
    return not context.store.rollouts.get(row.id).open


def _nobody_at_work(context: RegionContext, row: Rollout) -> None:
    name = lease_of(context, row.service)
    if holder := context.store.leases.holder(name):
        raise busy(name, holder)
