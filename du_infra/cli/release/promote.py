"""``du-infra release promote [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json, output_option
from du_infra.cli.release.shared import carried_out, region_option

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("promote")
@click.argument("service", required=False)
@region_option
@output_option
def command(service: str | None, region: Region, output: str) -> None:
    """Have a held release go on: the new version gets the requests, watched as its settings say.

    SERVICE may be left out where only one release is open.
    """
    from du_infra.cli.release_view import show_result

    result = carried_out(region, output, lambda report: region.promote(service or "", report=report))
    if output == "json":
        echo_json(result.to_json())
    else:
        show_result(result)
