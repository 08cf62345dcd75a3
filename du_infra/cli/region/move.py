"""``du-infra region move NAME --provider P``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from du_infra.cli.options import confirm, echo_json, fleet_option, output_option, yes_option
from du_infra.cli.progress_view import progress_view


@click.command("move")
@click.argument("name")
@click.option("--provider", metavar="PROVIDER", required=True, help="Where the region is to be.")
@click.option("--as", "new", metavar="NAME", default="", help="What it is called there; NAME-PROVIDER unless said.")
@fleet_option
@output_option
@yes_option
def command(name: str, provider: str, new: str, fleet_file: Path, output: str, yes: bool) -> None:
    """Move region NAME to another provider: a new region beside it, requests led there, NAME destroyed.

    Shows the plan and asks. It changes fleet.yaml on the way. Run it again after a kill: it goes on. Requests are led
    over by the steps of traffic.canary, each as long as its soak; NAME is destroyed once nobody is led there any more.
    """
    from du_infra.fleet import load

    fleet = load(fleet_file)
    plan = fleet.plan_move(name, provider, new)
    for step in plan.steps:
        click.echo(f"{step.kind:<10} {step.target}  ({step.why})", err=True)
    for note in plan.notes:
        click.echo(f"note       {note}", err=True)
    confirm(f"Move {name} to {plan.new}, and destroy {name} then?", yes)
    with progress_view() as report:
        result = fleet.move(name, provider, new, report=report)
    if output == "json":
        echo_json(asdict(result))
    else:
        click.echo(f"Region {name} has moved: it is {result.new} now, at {result.vip}.")
