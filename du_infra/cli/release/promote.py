"""``du-infra release promote [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import output_option
from du_infra.cli.release.shared import conclude, region_option

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
    conclude(region, output, lambda report: region.promote(service or "", report=report))
