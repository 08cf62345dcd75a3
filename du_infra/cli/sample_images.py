"""``du-infra sample-images``."""

from __future__ import annotations

import click


@click.command("sample-images")
@click.option("--force", is_flag=True, help="Make them again even if they are there.")
def command(force: bool) -> None:
    """Make the sample images (hello in several tags) and push them to the local registry."""
    from du_infra.cli.progress_view import progress_view
    from du_infra.local import samples
    from du_infra.pool.lxd import LxdProvider

    with progress_view() as report:
        LxdProvider().prepare(report)
        pushed = samples.ensure_all(report, force=force)
    click.echo(f"{samples.REPOSITORY}: {', '.join(samples.TAGS)} ({len(pushed)} pushed now)")
