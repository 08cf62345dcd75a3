"""``du-infra control run``."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import click

from du_infra.cli.control.kept import FleetAt, fleet_at_option
from du_infra.cli.control.watched import PageAt, page_options, watched
from du_infra.cli.lines import Lines
from du_infra.cli.options import output_option, seconds
from du_infra.cli.printable import printable
from du_infra.cli.progress_view import PlainLines
from du_infra.release.state import moment

if TYPE_CHECKING:
    from du_infra.control.decision import Decision
    from du_infra.control.loop import ControlLoop
    from du_infra.control.pull import Pull

_COLOURS = {
    **dict.fromkeys(("failed", "fail-over", "fail-open"), "red"),
    **dict.fromkeys(("left", "busy", "standby", "rest"), "yellow"),
    **dict.fromkeys(("done", "well", "return", "publish"), "green"),
}


@click.command("run")
@click.option("--region", "regions", metavar="NAME", multiple=True, help="Only this region; may be given again.")
@click.option("--once", is_flag=True, help="One pass, then end: for a timer. Its exit code tells what failed.")
@click.option("--dry-run", is_flag=True, help="Say what would be done and why, and do nothing.")
@click.option(
    "--interval",
    metavar="DURATION",
    default="5s",
    show_default=True,
    callback=seconds,
    help="How long to wait between two passes.",
)
@page_options
@fleet_at_option
@output_option
def command(
    regions: tuple[str, ...],
    once: bool,
    dry_run: bool,
    interval: float,
    page: PageAt | None,
    fleet: FleetAt,
    output: str,
) -> None:
    """Mind the regions of the fleet: start machines that stopped, replace those that are dead, scale.

    Where fleet.yaml has traffic:, mind the way to all of them as well: a region that is dead leaves the answers within
    seconds, and shares are moved step by step. Not so with --region.

    With --pull the fleet is kept in Git: a commit elsewhere is in use here within that time, or at once where --listen
    gets a webhook; one whose fleet file has mistakes is not checked out.

    One line for each decision goes to stdout (with --output json: one JSON object), progress to stderr. Ctrl-C lets
    what is under way come to its end; a second one does not.
    """
    from du_infra.control.loop import ControlLoop
    from du_infra.control.pull import pull_of

    if once and page:
        raise click.UsageError("--listen is for a loop that runs on")
    view, report = _Lines(output), PlainLines()
    puller = None if fleet.pull is None else pull_of(fleet.file, view.tell, dry_run=dry_run)
    poke = puller.poke if puller else None
    watching = watched(page, report, interval=interval, dry_run=dry_run, poke=poke)
    with closing(view), closing(report), watching as watcher:
        if puller:
            puller.heard_by(watcher.told)
        loop = ControlLoop(fleet.file, regions, view.tell, report, dry_run=dry_run, watcher=watcher)
        if not once:
            _run(loop, interval, puller, fleet.pull or 0.0)
            return
        late = puller and puller.once()
        if error := loop.once() or late:
            raise SystemExit(error.exit_code)


def _run(loop: ControlLoop, interval: float, puller: Pull | None, pull: float) -> None:
    stop = threading.Event()
    if puller:
        puller.start(pull, stop)
    try:
        loop.run(interval, stop)
    except KeyboardInterrupt:
        stop.set()
        Lines(err=True).say("stopping once what is under way has ended; Ctrl-C again to stop at once")
        loop.wait()
    if puller:
        puller.close()
        if puller.broken:
            raise puller.broken


class _Lines:
    """Decisions on stdout."""

    def __init__(self, output: str) -> None:
        self._json = output == "json"
        self._lines = Lines()

    def tell(self, decision: Decision) -> None:
        """One decision, one line."""
        now = moment(time.time())
        if self._json:
            self._lines.say(json.dumps({"time": now, **vars(decision)}))
            return
        where = decision.node or decision.region
        kind = click.style(f"{decision.kind:<8}", fg=_COLOURS.get(decision.kind))
        self._lines.say(f"{now} {kind} {printable(f'{where}: ' if where else '')}{printable(decision.text)}")

    def close(self) -> None:
        """Nothing more is decided."""
        self._lines.close()
