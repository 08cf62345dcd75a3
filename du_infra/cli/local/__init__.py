"""``du-infra local``: one file per verb."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Local(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "up": ("du_infra.cli.local.up", "Have the local cloud stand (`region up` does it too)"),
        "status": ("du_infra.cli.local.status", "What there is of it"),
        "down": ("du_infra.cli.local.down", "Take it away: instances, image, pool, bridge, registry, daemon"),
    }


@click.group(cls=_Local)
def command() -> None:
    """The local cloud on this machine: LXD daemon, bridge, storage pool, node image, registry."""
