"""``du-infra region kubeconfig NAME``."""

from __future__ import annotations

import os
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
    """Nobody else can read it at any moment, whatever stood there before."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise click.FileError(str(path), error.strerror or str(error)) from error
