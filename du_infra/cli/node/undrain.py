"""``du-infra node undrain NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.node.shared import node_argument, show_result
from du_infra.cli.options import output_option, yes_anyway_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("undrain")
@node_argument
@output_option
@yes_anyway_option
def command(region: Region, node: str, output: str) -> None:
    """Have NODE take requests again."""
    with progress_view() as report:
        result = region.undrain(node, report=report)
    show_result(result, output)
