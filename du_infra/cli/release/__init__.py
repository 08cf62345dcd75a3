"""``du-infra release``: one file per verb."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Release(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "start": ("du_infra.cli.release.start", "Have a new version of a service go live"),
        "promote": ("du_infra.cli.release.promote", "Have a held release go on"),
        "abort": ("du_infra.cli.release.abort", "Have an open release go back everywhere"),
        "resume": ("du_infra.cli.release.resume", "Have a release that was cut off go on"),
        "rollback": ("du_infra.cli.release.rollback", "Go back to what served before, or to a release of the past"),
        "status": ("du_infra.cli.release.status", "What goes on, and what every node serves"),
        "list": ("du_infra.cli.release.list", "Who released what, when, how it ended and why"),
    }


@click.group(cls=_Release)
def command() -> None:
    """Have a new version go live without losing a request; go back; look at releases."""
