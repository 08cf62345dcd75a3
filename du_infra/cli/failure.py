"""How an error looks to a person: what, where, the tool's own words indented below, what was done and what to do."""

from __future__ import annotations

import click

from du_infra.errors import DuError


def report_failure(error: DuError) -> None:
    """Write ``error`` to stderr."""
    click.secho(f"Error: {error}", fg="red", err=True)
    for line in error.detail.rstrip().splitlines():
        click.echo(f"  {line}", err=True)
    if error.done:
        click.echo(f"What was done: {error.done}", err=True)
    if error.todo:
        click.secho(f"What to do: {error.todo}", err=True)
