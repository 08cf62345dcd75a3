"""``du-infra traffic apply``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import fleet_option, output_option, yes_option
from du_infra.cli.traffic.shared import ordered


@click.command("apply")
@fleet_option
@output_option
@yes_option
def command(fleet_file: Path, output: str, yes: bool) -> None:
    """One pass: bring DNS to what fleet.yaml and people want, one step, as far as guards allow. Asks before."""
    from du_infra.fleet import load

    traffic = load(fleet_file).traffic
    ordered(traffic, None, f"Change what {traffic.name} answers?", yes=yes, output=output)
