"""``du-infra traffic undrain REGION``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import fleet_option, output_option, yes_option
from du_infra.cli.traffic.shared import ordered


@click.command("undrain")
@click.argument("region")
@fleet_option
@output_option
@yes_option
def command(region: str, fleet_file: Path, output: str, yes: bool) -> None:
    """Have REGION get again what its weight says, by the steps of the canary. Shows the plan and asks."""
    from du_infra.fleet import load
    from du_infra.traffic.order import TrafficOrder

    traffic = load(fleet_file).traffic
    ordered(
        traffic, TrafficOrder.undrain(region), f"Have {traffic.name} lead to {region} again?", yes=yes, output=output
    )
