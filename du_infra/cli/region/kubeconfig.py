"""``du-infra region kubeconfig NAME``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import fleet_option


@click.command("kubeconfig")
@click.argument("name")
@fleet_option
@click.option(
    "--output-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there, for you alone (0600), in place of whatever is there.",
)
def command(name: str, fleet_file: Path, output_file: Path | None) -> None:
    """Print the kubeconfig of region NAME's cluster. It has all rights there: keep it as a password.

    The machine that uses it must be in one of the region's admin_cidrs.
    """
    from du_infra.fleet import load

    text = load(fleet_file).region(name).kubeconfig()
    if output_file is None:
        click.echo(text, nl=False)
        return
    _write(output_file, text)


def _write(path: Path, text: str) -> None:
    from du_infra.engines.private import write_private

    try:
        write_private(path, text)
    except OSError as error:
        raise click.FileError(str(path), error.strerror or str(error)) from error
