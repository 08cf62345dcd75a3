"""``du-infra release list [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, output_option
from du_infra.cli.release.shared import region_option

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("list")
@click.argument("service", required=False)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many, the newest first.")
@region_option
@output_option
def command(service: str | None, limit: int, region: Region, output: str) -> None:
    """Who released what, when, how it ended and why."""
    from du_infra.cli.release_view import show_history

    rows = region.releases(service or "", limit=limit)
    at_work = {row.service for row in rows if row.open and region.release_at_work(row.service)}
    if output == "json":
        echo_json([{**row.to_json(), "cut_off": row.cut_off(row.service in at_work)} for row in rows])
    else:
        show_history(rows, at_work)
