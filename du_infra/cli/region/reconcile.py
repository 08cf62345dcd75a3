"""``du-infra region reconcile NAME``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from du_infra.cli.hook import hook_option
from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.cli.progress_view import progress_view


@click.command("reconcile")
@click.argument("name")
@hook_option
@click.option("--nodes", envvar="DU_NODES", default="", hidden=True)
@fleet_option
@output_option
def command(name: str, hook: bool, nodes: str, fleet_file: Path, output: str) -> None:
    """Have region NAME become what its machines are: new ones join, those that are gone are forgotten.

    Makes and destroys no machine. For who runs Terraform in the region's folder; `region up` does more.
    """
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    with progress_view() as report:
        result = region.reconcile(asked=nodes if hook else None, report=report)
    if output == "json":
        echo_json(asdict(result))
        return
    click.secho(f"Region {name} is ready: {', '.join(result.nodes)}, VIP {result.vip}", fg="green")
