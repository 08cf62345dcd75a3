"""``du-infra release abort [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import output_option
from du_infra.cli.release.shared import conclude, waves_option

if TYPE_CHECKING:
    from du_infra.entrance import Traffic
    from du_infra.fleet import Region


@click.command("abort")
@click.argument("service", required=False)
@waves_option
@output_option
def command(service: str | None, region: Region | None, traffic: Traffic | None, output: str) -> None:
    """Have an open release go back everywhere, whether it is at work, cut off or held.

    SERVICE may be left out where only one release is open. With --waves: the one that goes through all regions.
    """
    if traffic is not None:
        from du_infra.cli.release.through import abort

        abort(traffic, service or "", output)
        return
    assert region is not None
    conclude(region, output, lambda report: region.abort_release(service or "", report=report))
