"""``du-infra node leave NODE``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from du_infra.cli.hook import hook_option
from du_infra.cli.node.shared import node_argument, show_result
from du_infra.cli.options import output_option, yes_anyway_option
from du_infra.cli.progress_view import progress_view

if TYPE_CHECKING:
    from du_infra.fleet import Region


@click.command("leave")
@node_argument
@hook_option
@output_option
@yes_anyway_option
def command(region: Region, node: str, hook: bool, output: str) -> None:
    """Drain NODE, have the others forget it and stop its services, for who destroys its machine then.

    Does nothing for a node that has left. `node remove` destroys the machine too.
    """
    with progress_view() as report:
        result = region.leave(node, hook=hook, report=report)
    show_result(result, output)
