"""A region's plan as a person reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from du_infra.control.region_plan import RegionPlan


def show_plan(plan: RegionPlan, *, err: bool = False) -> None:
    """Print one line for each action and note; on stderr where the result is still to come on stdout."""
    for action in plan.actions:
        click.echo(f"{action.kind:<10} {action.target}  ({action.why})", err=err)
    for note in plan.notes:
        click.echo(f"note       {note}", err=err)
