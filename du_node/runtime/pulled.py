"""The images that were pulled for a service, in a file: there are those of others, and an image has no labels."""

from __future__ import annotations

import json

from du_node import files, places


def noted() -> frozenset[str]:
    """The references of all images that were to be pulled for a service, there or not."""
    return frozenset(files.read_json(places.PULLED).get("images", ()))


def note(image: str) -> None:
    """Note one before it is pulled, so that a kill leaves none that is not known."""
    _write(noted() | {image})


def forget(image: str) -> None:
    """Note that it is gone."""
    _write(noted() - {image})


def _write(images: frozenset[str]) -> None:
    if images != noted():
        files.write(places.PULLED, json.dumps({"images": sorted(images)}))
