"""How an error looks to a person: what, where, what to do, and the tool's own words indented below."""

from __future__ import annotations

import click

from du_infra.errors import DuError


def report_failure(error: DuError) -> None:
    """Write ``error`` to stderr."""
    click.secho(f"Error: {error}", fg="red", err=True)
    for line in error.detail.rstrip().splitlines():
        click.echo(f"  {line}", err=True)
    if error.todo:
        click.secho(f"What to do: {error.todo}", err=True)
