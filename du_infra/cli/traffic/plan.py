"""``du-infra traffic plan``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view


@click.command("plan")
@fleet_option
@output_option
def command(fleet_file: Path, output: str) -> None:
    """What `traffic apply` would do now, and what waits and why; changes nothing."""
    from du_infra.fleet import load

    with progress_view() as report:
        plan = load(fleet_file).traffic.plan(report=report)
    if output == "json":
        echo_json(plan.to_json())
        return
    from du_infra.cli.traffic_view import show_plan

    show_plan(plan)
