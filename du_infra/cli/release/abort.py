"""``du-infra release abort [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import output_option
from du_infra.cli.release.shared import conclude, region_option

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("abort")
@click.argument("service", required=False)
@region_option
@output_option
def command(service: str | None, region: Region, output: str) -> None:
    """Have an open release go back everywhere, whether it is at work, cut off or held.

    SERVICE may be left out where only one release is open.
    """
    conclude(region, output, lambda report: region.abort_release(service or "", report=report))
