"""``du-infra doctor``."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import confirm, echo_json, output_option, yes_option
from du_infra.errors import ToolMissing

if TYPE_CHECKING:
    from du_infra.local.doctor import Finding


@click.command("doctor")
@click.option("--fix", "mend", is_flag=True, help="Install what is missing with apt.")
@click.option("--quiet", is_flag=True, help="Say only what is missing.")
@output_option
@yes_option
def command(mend: bool, quiet: bool, output: str, yes: bool) -> None:
    """Say what this machine has and lacks for running a local region. Exit code 3 when something is missing."""
    from du_infra.cli.progress_view import progress_view
    from du_infra.local import doctor

    findings = doctor.examine()
    packages = sorted({f.package for f in findings if not f.ok and f.package})
    if mend and packages:
        confirm(f"Install {', '.join(packages)} with apt-get?", yes)
        with progress_view() as report:
            doctor.fix(findings, report)
        findings = doctor.examine()
    if output == "json":
        echo_json([asdict(finding) for finding in findings])
    else:
        _show(findings, quiet)
    if not all(finding.ok for finding in findings):
        raise SystemExit(ToolMissing.exit_code)


def _show(findings: list[Finding], quiet: bool) -> None:
    for finding in findings:
        if finding.ok and quiet:
            continue
        mark = click.style("ok     ", fg="green") if finding.ok else click.style("missing", fg="red")
        todo = f"  → {finding.todo}" if finding.todo else ""
        click.echo(f"{finding.name:<16} {mark}  {finding.detail}{todo}")
    lacking = [finding.name for finding in findings if not finding.ok]
    if lacking == ["root"]:
        click.echo("The local cloud needs root: run the same command with sudo.", err=True)
    elif lacking:
        click.echo(f"Missing: {', '.join(lacking)}. `du-infra doctor --fix` installs what apt has.", err=True)
    elif not quiet:
        click.echo("This machine has everything that a local region needs.")
