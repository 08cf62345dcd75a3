"""``du-infra node upgrade NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.node.shared import cost_of, cut_after_option, force_option, node_argument, show_result
from du_infra.cli.options import confirm, output_option, yes_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("upgrade")
@cut_after_option
@force_option("Even if another node takes no requests now.")
@node_argument
@output_option
@yes_option
def command(region: Region, node: str, cut_after: float | None, force: bool, output: str, yes: bool) -> None:
    """Drain NODE, bring its packages up to date, and have it take requests again. Asks first.

    It is rebooted only if a package asks for it (a new kernel, on a virtual machine).
    """
    confirm(f"Upgrade {node}? {cost_of(region, node)}.", yes)
    with progress_view() as report:
        result = region.upgrade(node, cut_after=cut_after, force=force, report=report)
    show_result(result, output)
