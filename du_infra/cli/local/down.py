"""``du-infra local down``."""

from __future__ import annotations

import click

from du_infra.cli.options import confirm, yes_option


@click.command("down")
@yes_option
def command(yes: bool) -> None:
    """Take the local cloud away, every instance that du-infra made included; the cache of images stays."""
    from du_infra.cli.progress_view import progress_view
    from du_infra.local import registry
    from du_infra.pool.lxd import LxdProvider
    from du_infra.progress import stage

    provider = LxdProvider()
    provider.connect()
    instances = provider.ours()
    losing = f" and destroy {', '.join(instances)}" if instances else ""
    confirm(f"Take the local cloud away{losing}?", yes)
    with progress_view() as report, stage(report, "local cloud", "taking it away"):
        registry.remove()
        provider.remove(report)
    click.echo("The local cloud is gone.")
