"""``du-infra region plan NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.plan_view import show_plan


@click.command("plan")
@click.argument("name")
@fleet_option
@output_option
def command(name: str, fleet_file: Path, output: str) -> None:
    """Say what `region up NAME` would do, and why. Changes nothing."""
    from du_infra.fleet import load

    plan = load(fleet_file).region(name).plan()
    if output == "json":
        echo_json(plan.to_json())
        return
    if not plan.actions:
        what = "fleet.yaml and what was done by hand since say" if plan.notes else "fleet.yaml says"
        click.echo(f"Region {name} is as {what}; nothing to do.")
    show_plan(plan)
