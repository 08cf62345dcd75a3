"""``du-infra validate``: is the fleet file right, and if not, where is it wrong?"""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option
from du_infra.errors import SpecError


@click.command("validate")
@fleet_option
@output_option
def command(fleet_file: Path, output: str) -> None:
    """Check the fleet file and name every mistake by line and column.

    Exit code 0 when it is right, 2 when it is not.
    """
    from du_infra.spec import check_spec, spec_error

    checked = check_spec(fleet_file)
    if output == "json":
        problems = [problem.as_dict() for problem in checked.problems]
        echo_json({"ok": checked.fleet is not None, "problems": problems})
        if checked.fleet is None:
            raise click.exceptions.Exit(SpecError.exit_code)
        return
    if checked.fleet is None:
        raise spec_error(checked.problems)
    regions, services = len(checked.fleet.regions), len(checked.fleet.services)
    click.echo(f"{click.format_filename(fleet_file)}: ok ({_count(regions, 'region')}, {_count(services, 'service')})")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
