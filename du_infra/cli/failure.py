"""How an error looks: to a person what, where, the tool's own words indented below, what was done and what to do; to a
program one JSON object on one line.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import click

from du_infra.errors import DuError


def asked_for_json(argv: Sequence[str]) -> bool:
    """Whether the command line asks for results for programs; it may be too wrong for click to say."""
    return "--output=json" in argv or ("--output", "json") in pairwise(argv)


def error_json(error: DuError) -> dict[str, Any]:
    """The stable form of an error for programs (docs/cli.md)."""
    keys = ("what", "where", "todo", "detail", "done", "exit_code")
    return {"kind": type(error).__name__, **{key: getattr(error, key) for key in keys}}


def report_failure(error: DuError, *, as_json: bool = False) -> None:
    """Write ``error`` to stderr, for people or for programs."""
    if as_json:
        click.echo(json.dumps(error_json(error)), err=True)
        return
    click.secho(f"Error: {error}", fg="red", err=True)
    for line in error.detail.rstrip().splitlines():
        click.echo(f"  {line}", err=True)
    if error.done:
        click.echo(f"What was done: {error.done}", err=True)
    if error.todo:
        click.secho(f"What to do: {error.todo}", err=True)
