"""``du-infra control explain [REGION]``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view


@click.command("explain")
@click.argument("region", default="")
@click.option("--last", default=10, show_default=True, type=click.IntRange(1, 1000), help="How many decisions.")
@fleet_option
@output_option
def command(region: str, last: int, fleet_file: Path, output: str) -> None:
    """Who says what of each region (or of REGION), what guards allow, and the last decisions with their reasons."""
    from du_infra.fleet import load

    with progress_view() as report:
        explained = load(fleet_file).traffic.explain(region, last=last, report=report)
    if output == "json":
        echo_json(explained.to_json())
        return
    from du_infra.cli.traffic_view import show_explained

    show_explained(explained)
