"""``du-infra schema``: the JSON Schema of fleet.yaml, for editors."""

from __future__ import annotations

import click

from du_infra.cli.options import echo_json


@click.command("schema")
def command() -> None:
    """Print the JSON Schema of the fleet file; editors complete and check with it."""
    from du_infra.spec import json_schema

    echo_json(json_schema())
