"""``du-infra node list [REGION]``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option


@click.command("list")
@click.argument("region", required=False)
@fleet_option
@output_option
def command(region: str | None, fleet_file: Path, output: str) -> None:
    """The nodes of REGION, or of every region: address, state, who holds the region's address, load."""
    from du_infra.fleet import load

    fleet = load(fleet_file)
    names = [region] if region else fleet.regions
    nodes = {name: fleet.region(name).nodes() for name in names}
    if output == "json":
        echo_json([{"region": name, **asdict(node)} for name, found in nodes.items() for node in found])
        return
    from du_infra.cli.status_view import show_nodes

    show_nodes(nodes)
