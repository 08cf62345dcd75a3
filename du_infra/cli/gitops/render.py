"""``du-infra gitops render``."""

from __future__ import annotations

from pathlib import Path

import click

from du_infra.cli.options import echo_json, fleet_option, output_option


@click.command("render")
@click.option("--service", "services", multiple=True, help="Only this service; may be given again.")
@click.option("--region", "regions", multiple=True, help="Only this region; may be given again. Else all with K3s.")
@click.option("--format", "kind", type=click.Choice(["kustomize", "helm"]), required=True, help="What is written.")
@click.option("--to", "folder", type=click.Path(file_okay=False, path_type=Path), required=True, help="Where to.")
@fleet_option
@output_option
def command(
    services: tuple[str, ...], regions: tuple[str, ...], kind: str, folder: Path, fleet_file: Path, output: str
) -> None:
    """Write the Kubernetes objects of the fleet's services as files that belong into Git.

    The folder then holds what was asked for and nothing else of ours; files of others are left alone, and refused
    where they are in the way.
    """
    from du_infra.fleet import load

    found = load(fleet_file).render(kind, folder, regions=regions, services=services)
    if output == "json":
        echo_json({"kind": kind, "folder": str(folder), "written": list(found.write), "removed": list(found.remove)})
        return
    for verb, paths in (("wrote", found.write), ("removed", found.remove)):
        for path in paths:
            click.echo(f"{verb} {folder / path}")
    if not found.write and not found.remove:
        click.echo("nothing to change", err=True)
