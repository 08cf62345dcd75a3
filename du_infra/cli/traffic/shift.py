"""``du-infra traffic shift REGION=25 …``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import fleet_option, output_option, yes_option
from du_infra.cli.traffic.shared import ordered


def _shares(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in value:
        name, _, percent = text.partition("=")
        percent = percent.removesuffix("%").strip()
        if not name or not percent.isascii() or not percent.isdecimal() or int(percent) > 100:
            raise click.BadParameter(f"{text!r} must be a region and its percent, such as home=25", ctx, param)
        if name in found:
            raise click.BadParameter(f"{name} is named twice", ctx, param)
        found[name] = int(percent)
    return found


@click.command("shift")
@click.argument("shares", metavar="REGION=PERCENT...", nargs=-1, required=True, callback=_shares)
@fleet_option
@output_option
@yes_option
def command(shares: dict[str, int], fleet_file: Path, output: str, yes: bool) -> None:
    """Give regions so many percent of the answers; the others share the rest as they did. Shows the plan and asks.

    It goes by the steps of fleet.yaml's canary: the first one now, the next ones by `control run` or `traffic apply`.
    """
    from du_infra.fleet import load
    from du_infra.traffic.order import TrafficOrder

    traffic = load(fleet_file).traffic
    words = ", ".join(f"{name} {percent} %" for name, percent in shares.items())
    ordered(traffic, TrafficOrder.shift(shares), f"Have {traffic.name} give {words}?", yes=yes, output=output)
