"""``du-infra release status [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, output_option
from du_infra.cli.release.shared import region_option

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("status")
@click.argument("service", required=False)
@region_option
@output_option
def command(service: str | None, region: Region, output: str) -> None:
    """What goes on with releases, and what every node serves. Changes nothing."""
    from du_infra.cli.release_view import show_standings

    standings = region.release_status(service or "")
    if output == "json":
        echo_json([standing.to_json() for standing in standings])
    else:
        show_standings(standings)
