"""``du-infra local up``."""

from __future__ import annotations

import click


@click.command("up")
def command() -> None:
    """Have daemon, bridge, pool, node image and registry. The first time makes the image, in a minute or two."""
    from du_infra.cli.progress_view import progress_view
    from du_infra.local import registry
    from du_infra.pool.lxd import LxdProvider
    from du_infra.progress import stage

    with progress_view() as report, stage(report, "cloud", "lxd"):
        LxdProvider().prepare(report)
        registry.ensure(report)
    click.echo("The local cloud stands.")
