"""``du-infra traffic drain REGION``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import fleet_option, output_option, yes_option
from du_infra.cli.traffic.shared import ordered


@click.command("drain")
@click.argument("region")
@fleet_option
@output_option
@yes_option
def command(region: str, fleet_file: Path, output: str, yes: bool) -> None:
    """Have REGION get nothing any more, until `traffic undrain`. Shows the plan and asks.

    Refused where min_regions would not be left, and while another region is not up for sure.
    """
    from du_infra.fleet import load
    from du_infra.traffic.order import TrafficOrder

    traffic = load(fleet_file).traffic
    ordered(
        traffic, TrafficOrder.drain(region), f"Have {traffic.name} lead to {region} no more?", yes=yes, output=output
    )
