"""``du-infra region reboot NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.node.shared import cut_after_option, force_option
from du_infra.cli.options import fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view
from du_infra.cli.region.rounds import ask, show_round


@click.command("reboot")
@click.argument("name")
@cut_after_option
@force_option("Even if another node takes no requests now.")
@fleet_option
@output_option
@yes_option
def command(name: str, cut_after: float | None, force: bool, fleet_file: Path, output: str, yes: bool) -> None:
    """Reboot every node of region NAME, one at a time, the holder of its address last. Shows the plan and asks.

    A node is drained first, while all others take requests. After a failure or a kill the same command goes on.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    ask(region.plan_round("reboot", force=force), "Reboot", len(region.nodes()) == 1, yes)
    with progress_view() as report:
        result = region.reboot_all(cut_after=cut_after, force=force, report=report)
    show_round(result, output)
