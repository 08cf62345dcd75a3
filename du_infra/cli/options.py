"""Options that several verbs share."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from du_infra.errors import Refused

F = TypeVar("F", bound=Callable[..., Any])


def fleet_option(function: F) -> F:
    """``--fleet FILE``: which fleet file; ``$DU_FLEET`` says it too."""
    return click.option(
        "--fleet",
        "fleet_file",
        type=click.Path(path_type=Path),
        default=Path("fleet.yaml"),
        envvar="DU_FLEET",
        show_default=True,
        help="The fleet file.",
    )(function)


def output_option(function: F) -> F:
    """``--output table|json``: for people or for programs."""
    choice = click.Choice(["table", "json"])
    return click.option(
        "--output", type=choice, default="table", show_default=True, help="For people or for programs."
    )(function)


def yes_option(function: F) -> F:
    """``--yes``: answer every question with yes."""
    return click.option("--yes", is_flag=True, envvar="DU_YES", help="Answer every question with yes.")(function)


def yes_anyway_option(function: F) -> F:
    """``--yes`` of a verb that asks nothing: whoever gives it to all of its kin need not know."""
    words = "As for the other verbs; nothing is asked here."
    return click.option("--yes", is_flag=True, expose_value=False, help=words)(function)


def seconds(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A callback of options: a duration such as 60s in seconds."""
    from du_infra.spec import Duration

    try:
        return None if value is None else Duration(value).seconds
    except ValueError as error:
        raise click.BadParameter(f"{value!r} {error}", ctx, param) from error


def echo_json(value: object) -> None:
    """Print a result for programs: one JSON document on stdout."""
    click.echo(json.dumps(value, indent=2))


def confirm(question: str, yes: bool) -> None:
    """Ask before something is lost; ``yes`` answers. Raises Refused when the answer is no, or nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Refused("nobody is there to ask", todo="add --yes to answer every question with yes")
    if not click.confirm(question, err=True):
        raise Refused("nothing was done: the answer was no")
