"""Where the fleet is kept: in a file, or in a clone of a repository that is followed."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import click

from du_infra.cli.options import fleet_option, seconds

F = TypeVar("F", bound=Callable[..., Any])


class FleetAt(NamedTuple):
    """The fleet file, and how often its repository is asked, in seconds; None where it is not."""

    file: Path
    pull: float | None


def fleet_at_option(function: F) -> F:
    """``--fleet`` and ``--pull``, given to the verb as ``fleet``."""

    @functools.wraps(function)
    def verb(*args: Any, fleet_file: Path, pull: float | None, **options: Any) -> Any:
        return function(*args, fleet=FleetAt(fleet_file, pull), **options)

    option = click.option(
        "--pull",
        metavar="DURATION",
        callback=seconds,
        help="Fetch that often, and check out what is new: the fleet file lies in a clone of the fleet's repository.",
    )
    return cast(F, option(fleet_option(verb)))
