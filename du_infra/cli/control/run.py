"""``du-infra control run``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import fleet_option, output_option, seconds
from du_infra.cli.progress_view import PlainLines
from du_infra.release.state import moment

if TYPE_CHECKING:
    from du_infra.control.loop import ControlLoop, Decision
    from du_infra.control.watch import Watcher
    from du_infra.progress import Reporter
    from du_infra.seeing.board import Board
    from du_infra.seeing.listen import Address

_COLOURS = {"failed": "red", "left": "yellow", "busy": "yellow", "done": "green", "well": "green"}
_GRACE_SECONDS = 5.0
"""How long the end of the loop waits for notifications to be delivered."""


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> Address | None:
    from du_infra.seeing.listen import address_of

    try:
        return None if value is None else address_of(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}", ctx, param) from error


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
@click.option(
    "--listen",
    metavar="[HOST:]PORT",
    envvar="DU_LISTEN",
    callback=_address,
    help="Show a page, metrics and JSON there; without it, nowhere. HOST is 127.0.0.1 unless said otherwise.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar="DU_TOKEN_FILE",
    help="Who asks there must know what is in FILE, which only you may read. Needed for more than loopback.",
)
@fleet_option
@output_option
def command(
    regions: tuple[str, ...],
    once: bool,
    dry_run: bool,
    interval: float,
    listen: Address | None,
    token_file: Path | None,
    fleet_file: Path,
    output: str,
) -> None:
    """Mind the regions of the fleet: start machines that stopped, replace those that are dead, scale.

    One line for each decision goes to stdout (with --output json: one JSON object), progress to stderr. Ctrl-C lets
    what is under way come to its end; a second one does not.
    """
    from du_infra.control.loop import ControlLoop

    if (once and listen) or (token_file and not listen):
        raise click.UsageError("--listen is for a loop that runs on" if once else "--token-file needs --listen")
    view, report = _Lines(output), PlainLines()
    with _watched(listen, token_file, report, interval=interval, dry_run=dry_run) as watcher:
        loop = ControlLoop(fleet_file, regions, view.tell, report, dry_run=dry_run, watcher=watcher)
        if once:
            error = loop.once()
        else:
            error = _go_on(loop, interval)
    if error:
        raise SystemExit(error.exit_code)


def _go_on(loop: ControlLoop, interval: float) -> None:
    stop = threading.Event()
    try:
        loop.run(interval, stop)
    except KeyboardInterrupt:
        stop.set()
        click.echo("stopping once what is under way has ended; Ctrl-C again to stop at once", err=True)
        loop.wait()


@contextmanager
def _watched(
    listen: Address | None, token_file: Path | None, report: Reporter, *, interval: float, dry_run: bool
) -> Iterator[Watcher]:
    """What the loop is watched with; the page is there as long as it lasts. A dry run notifies nobody."""
    from du_infra.control.watching import Eyes
    from du_infra.notify.sender import Sender
    from du_infra.seeing.board import Board

    board = Board(interval=interval, dry_run=dry_run)
    sender = None if dry_run else Sender(report, board.hook)
    try:
        with _page(board, listen, token_file) if listen else nullcontext():
            yield Eyes(board, sender)
    finally:
        if sender:
            sender.close(_GRACE_SECONDS)


@contextmanager
def _page(board: Board, listen: Address, token_file: Path | None) -> Iterator[None]:
    from du_infra.seeing.http import Server
    from du_infra.seeing.listen import bound, listening, token_of
    from du_infra.seeing.site import Site

    token = token_of(token_file)
    made = listening(listen, token)
    server = Server(made, Site(board, token))
    click.echo(f"the page is at http://{bound(made)}/", err=True)
    try:
        yield
    finally:
        server.close()


class _Lines:
    """Decisions on stdout, whole lines from several threads."""

    def __init__(self, output: str) -> None:
        self._json = output == "json"
        self._lock = threading.Lock()

    def tell(self, decision: Decision) -> None:
        """One decision, one line."""
        now = moment(time.time())
        with self._lock:
            if self._json:
                click.echo(json.dumps({"time": now, **vars(decision)}))
                return
            where = decision.node or decision.region
            kind = click.style(f"{decision.kind:<8}", fg=_COLOURS.get(decision.kind))
            click.echo(f"{now} {kind} {f'{where}: ' if where else ''}{decision.text}")
