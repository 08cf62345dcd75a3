"""``du-infra node replace NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.node.shared import node_argument
from du_infra.cli.options import confirm, output_option, yes_option
from du_infra.cli.plan_view import show_plan
from du_infra.cli.progress_view import progress_view
from du_infra.cli.up_view import show_up

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("replace")
@node_argument
@output_option
@yes_option
def command(region: Region, node: str, output: str, yes: bool) -> None:
    """Make another node, under a new name; when it serves, drain NODE and destroy it. Asks first."""
    show_plan(region.plan_replace(node), err=True)
    confirm(f"Replace {node}, and destroy it and everything on it?", yes)
    with progress_view() as report:
        result = region.replace(node, report=report)
    show_up(result, output)
