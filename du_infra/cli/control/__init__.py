"""``du-infra control``: what minds regions by itself."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Control(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "run": ("du_infra.cli.control.run", "Mind regions: replace dead machines, scale; until it is stopped"),
        "explain": ("du_infra.cli.control.explain", "Votes, guards, the last decisions and why"),
    }


@click.group(cls=_Control)
def command() -> None:
    """Mind regions without a person."""
