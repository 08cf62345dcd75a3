"""What ``region up`` and its kin left, as a person or a program reads it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from du_infra.cli.options import echo_json

if TYPE_CHECKING:
    from du_infra.control.up import UpResult


def show_up(result: UpResult, output: str) -> None:
    """Print the result; for people the commands that ask each service."""
    if output == "json":
        echo_json(asdict(result))
        return
    click.secho(f"Region {result.region} is ready: {len(result.nodes)} node(s), VIP {result.vip}", fg="green")
    for url in result.urls.values() or (f"http://{result.vip}/readyz",):
        host = url.partition("://")[2].partition("/")[0]
        through = "" if host == result.vip else f" --connect-to {host}:80:{result.vip}:80"
        click.echo(f"  curl{through} {url}")
