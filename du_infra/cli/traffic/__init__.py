"""``du-infra traffic``: the world's entrance."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Traffic(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "status": ("du_infra.cli.traffic.status", "Regions, weights, who is up by whose word, what servers answer"),
        "plan": ("du_infra.cli.traffic.plan", "What `apply` would do now, and why; changes nothing"),
        "apply": ("du_infra.cli.traffic.apply", "One pass: bring DNS to what is wanted, as far as guards allow"),
        "shift": ("du_infra.cli.traffic.shift", "Give regions a share of the answers: REGION=25"),
        "drain": ("du_infra.cli.traffic.drain", "Have a region get nothing any more"),
        "undrain": ("du_infra.cli.traffic.undrain", "Have a region get again what its weight says"),
    }


@click.group(cls=_Traffic)
def command() -> None:
    """One DNS name for all regions: which of them it leads to, and with what share."""
