"""``du-infra doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import confirm, echo_json, output_option, yes_option
from du_infra.errors import ToolMissing
from du_infra.local.tools import EXTRAS

if TYPE_CHECKING:
    from du_infra.local.doctor import Finding

_OK, _OPTIONAL, _MISSING = click.style("ok     ", fg="green"), "not had", click.style("missing", fg="red")


@click.command("doctor")
@click.option("--fix", "mend", is_flag=True, help="Install what is missing with apt.")
@click.option("--quiet", is_flag=True, help="Say only what is missing.")
@click.option("--for", "also", multiple=True, type=click.Choice([*EXTRAS]), help="What else it is to do.")
@output_option
@yes_option
def command(mend: bool, quiet: bool, also: tuple[str, ...], output: str, yes: bool) -> None:
    """Say what this machine has and lacks for running a local region. Exit code 3 when something is missing."""
    from du_infra.cli.progress_view import progress_view
    from du_infra.local import doctor

    findings = doctor.examine(also)
    packages = doctor.lacking(findings)
    if mend and packages:
        confirm(f"Install {', '.join(packages)} with apt-get?", yes)
        with progress_view() as report:
            doctor.fix(findings, report)
        findings = doctor.examine(also)
    if output == "json":
        echo_json([asdict(finding) for finding in findings])
    else:
        _show(findings, quiet)
    if not all(finding.ok or finding.optional for finding in findings):
        raise SystemExit(ToolMissing.exit_code)


def _show(findings: list[Finding], quiet: bool) -> None:
    for finding in findings:
        if quiet and (finding.ok or finding.optional):
            continue
        mark = _OK if finding.ok else _OPTIONAL if finding.optional else _MISSING
        todo = f"  → {finding.todo}" if finding.todo else ""
        click.echo(f"{finding.name:<16} {mark}  {finding.detail}{todo}")
    lacking = [finding.name for finding in findings if not finding.ok and not finding.optional]
    if lacking == ["root"]:
        click.echo("The local cloud needs root: run the same command with sudo.", err=True)
    elif lacking:
        click.echo(f"Missing: {', '.join(lacking)}. `du-infra doctor --fix` installs what apt has.", err=True)
    elif not quiet:
        click.echo("This machine has everything that a local region needs.")
