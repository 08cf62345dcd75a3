"""``du-infra node remove NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.node.shared import cut_after_option, force_option, node_argument, show_result
from du_infra.cli.options import confirm, output_option, yes_option
from du_infra.cli.plan_view import show_plan
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("remove")
@cut_after_option
@force_option("Even if no other node is ready to take its requests.")
@node_argument
@output_option
@yes_option
def command(region: Region, node: str, cut_after: float | None, force: bool, output: str, yes: bool) -> None:
    """Drain NODE and destroy it. The region has one node less, until the pool in fleet.yaml changes. Asks first."""
    show_plan(region.plan_remove(node, force=force), err=True)
    confirm(f"Drain and destroy {node} and everything on it?", yes)
    with progress_view() as report:
        result = region.remove(node, cut_after=cut_after, force=force, report=report)
    show_result(result, output)
