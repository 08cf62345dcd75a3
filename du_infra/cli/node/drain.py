"""``du-infra node drain NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.node.shared import cut_after_option, force_option, node_argument, show_result
from du_infra.cli.options import output_option, yes_anyway_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("drain")
@cut_after_option
@force_option("Even if no other node is ready to take its requests.")
@node_argument
@output_option
@yes_anyway_option
def command(region: Region, node: str, cut_after: float | None, force: bool, output: str) -> None:
    """Have NODE take no new requests, and wait for those it has. It stays so until `node undrain`."""
    with progress_view() as report:
        result = region.drain(node, cut_after=cut_after, force=force, report=report)
    show_result(result, output)
