"""``du-infra region up NAME``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view


@click.command("up")
@click.argument("name")
@click.option("--reconfigure", is_flag=True, help="Run Ansible on every node, even where nothing asks for it.")
@fleet_option
@output_option
@yes_option
def command(name: str, reconfigure: bool, fleet_file: Path, output: str, yes: bool) -> None:
    """Bring region NAME to what fleet.yaml says. Run it again at any time: it goes on from what is there."""
    from du_infra.fleet import load

    region = load(fleet_file).region(name)
    with progress_view() as report:
        result = region.up(report=report, reconfigure=reconfigure)
    if output == "json":
        echo_json(asdict(result))
        return
    click.secho(f"Region {name} is ready: {len(result.nodes)} node(s), VIP {result.vip}", fg="green")
    for url in result.urls.values() or (f"http://{result.vip}/readyz",):
        host = url.partition("://")[2].partition("/")[0]
        through = "" if host == result.vip else f" --connect-to {host}:80:{result.vip}:80"
        click.echo(f"  curl{through} {url}")
