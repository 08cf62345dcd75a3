"""``du-infra release rollback [SERVICE]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.options import output_option, yes_option
from du_infra.cli.release.shared import carry_out, region_option
from du_infra.errors import SpecError

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("rollback")
@click.argument("service", required=False)
@click.option("--to", "to", default="", metavar="ID", help="A release that `release list` shows, or its tag.")
@region_option
@output_option
@yes_option
def command(service: str | None, to: str, region: Region, output: str, yes: bool) -> None:
    """Go back to what served before: image, environment and settings alike. A second rollback undoes the first.

    SERVICE may be left out where the region runs only one.
    """
    plan = region.plan_rollback(service or _only_service(region), to=to)
    carry_out(plan, f"Go back to {plan.release}?", region, output, yes=yes)


def _only_service(region: Region) -> str:
    from du_infra.spec import services_of

    names = list(services_of(region.fleet.spec, region.name))
    if len(names) == 1:
        return names[0]
    raise SpecError("which service?", where=f"region {region.name}", todo=f"name one of: {', '.join(names) or 'none'}")
