"""How a loop is watched while it runs: the page, if it was asked for, and notifications."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

if TYPE_CHECKING:
    from du_infra.control.watch import Watcher
    from du_infra.progress import Reporter
    from du_infra.seeing.board import Board
    from du_infra.seeing.listen import Address

F = TypeVar("F", bound=Callable[..., Any])

_GRACE_SECONDS = 5.0
"""How long the end of the loop waits for notifications to be delivered."""


class PageAt(NamedTuple):
    """Where the page is to be, and the file with the token that it asks for."""

    address: Address
    token_file: Path | None


def page_options(function: F) -> F:
    """``--listen`` and ``--token-file``, given to the verb as ``page``: None where it is not asked for."""

    @functools.wraps(function)
    def verb(*args: Any, listen: Address | None, token_file: Path | None, **options: Any) -> Any:
        if token_file and not listen:
            raise click.UsageError("--token-file needs --listen")
        return function(*args, page=PageAt(listen, token_file) if listen else None, **options)

    for option in (
        click.option(
            "--token-file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            envvar="DU_TOKEN_FILE",
            help="Who asks there must know what is in FILE, which only you may read. Needed for more than loopback.",
        ),
        click.option(
            "--listen",
            metavar="[HOST:]PORT",
            envvar="DU_LISTEN",
            callback=_address,
            help="Show a page, metrics and JSON there; without it, nowhere. HOST is 127.0.0.1 unless said otherwise.",
        ),
    ):
        verb = option(verb)
    return cast(F, verb)


@contextmanager
def watched(
    page: PageAt | None, report: Reporter, *, interval: float, dry_run: bool, poke: Callable[[], None] | None = None
) -> Iterator[Watcher]:
    """What a loop is watched with; the page is there as long as it lasts. A dry run notifies nobody. ``poke`` is called
    for each webhook of the fleet's repository.

    Raises SpecError, Refused, Busy or ToolMissing when nobody can listen there.
    """
    from du_infra.control.watching import Eyes
    from du_infra.notify.sender import Sender
    from du_infra.seeing.board import Board

    board = Board(interval=interval, dry_run=dry_run)
    sender = None if dry_run else Sender(report, board.hook)
    try:
        with _page(board, page, poke) if page else nullcontext():
            yield Eyes(board, sender, shown=page is not None)
    finally:
        if sender:
            sender.close(_GRACE_SECONDS)


@contextmanager
def _page(board: Board, page: PageAt, poke: Callable[[], None] | None) -> Iterator[None]:
    from du_infra.seeing.hook import LONGEST, Hook
    from du_infra.seeing.http import Limits, Server
    from du_infra.seeing.listen import bound, listening, token_of
    from du_infra.seeing.site import Site

    token = token_of(page.token_file)
    made = listening(page.address, token)
    site = Site(board, token)
    limits = Limits(body=LONGEST) if poke else None
    server = Server(made, Hook(poke, token, site) if poke else site, limits)
    click.echo(f"the page is at http://{bound(made)}/", err=True)
    try:
        yield
    finally:
        server.close()


def _address(ctx: click.Context, param: click.Parameter, value: str | None) -> Address | None:
    from du_infra.seeing.listen import address_of

    try:
        return None if value is None else address_of(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}", ctx, param) from error
