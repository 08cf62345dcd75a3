"""The node image in LXD: there already, imported from the cache, or made."""

from __future__ import annotations

import json
from pathlib import Path

from du_infra import paths
from du_infra.engines.lxd import Lxd
from du_infra.engines.process import run
from du_infra.errors import EngineFailed
from du_infra.pool.lxd.build import build
from du_infra.pool.lxd.recipe import Recipe
from du_infra.pool.lxd.site import Site
from du_infra.progress import Event, Reporter


def recipe_for(site: Site, runtime: str) -> Recipe:
    """The recipe of this machine's nodes with that runtime."""
    words = run(["dpkg", "--print-architecture"], what="ask for this machine's architecture")
    return Recipe(architecture=words.decode().strip(), dns=site.gateway, runtime=runtime)


def images_folder() -> Path:
    """Where made images are kept, one folder each, so that a new daemon only imports."""
    return paths.cache() / "images"


def present(lxd: Lxd, recipe: Recipe) -> bool:
    """Does LXD have the image?"""
    return lxd.find(f"/1.0/images/aliases/{recipe.alias}") is not None


def ensure(lxd: Lxd, recipe: Recipe, report: Reporter) -> None:
    """Have the image in LXD under its alias."""
    if present(lxd, recipe):
        return
    folder = images_folder() / recipe.alias
    if not (folder / "image.json").exists():
        build(recipe, folder, tools=paths.cache() / "tools", report=report)
    report(Event("step", "node image", f"importing {recipe.alias}"))
    fingerprint = json.loads((folder / "image.json").read_text())["fingerprint"]
    if lxd.find(f"/1.0/images/{fingerprint}") is None:
        lxd.import_image(folder / "metadata.tar.gz", folder / "rootfs.tar", recipe.alias)
    else:
        # A kill between upload and naming leaves the image without its alias.
        lxd.query("/1.0/images/aliases", "POST", {"name": recipe.alias, "target": fingerprint})
    if not present(lxd, recipe):
        raise EngineFailed("LXD took the image and does not show it", where=recipe.alias)
