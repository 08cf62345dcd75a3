"""``du-infra local status``."""

from __future__ import annotations

import click

from du_infra.cli.options import echo_json, output_option


@click.command("status")
@output_option
def command(output: str) -> None:
    """What there is of the local cloud. Starts nothing."""
    from du_infra.local import registry
    from du_infra.pool.lxd import LxdProvider

    provider = LxdProvider()
    parts = {**provider.standing(), "registry": registry.answers()}
    instances = provider.ours() if parts["daemon"] else []
    if output == "json":
        echo_json({**parts, "instances": instances})
        return
    for name, there in parts.items():
        click.echo(f"{name:<10} {click.style('there', fg='green') if there else '-'}")
    click.echo(f"{'instances':<10} {', '.join(instances) or '-'}")
