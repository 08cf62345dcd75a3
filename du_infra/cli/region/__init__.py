"""``du-infra region``: one file per verb."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Region(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "up": ("du_infra.cli.region.up", "Bring a region to what fleet.yaml says"),
        "down": ("du_infra.cli.region.down", "Destroy a region's machines and forget it"),
        "move": ("du_infra.cli.region.move", "Move a region to another provider, its requests step by step"),
        "scale": ("du_infra.cli.region.scale", "Have a region consist of another number of nodes"),
        "reboot": ("du_infra.cli.region.reboot", "Reboot every node, one at a time"),
        "upgrade": ("du_infra.cli.region.upgrade", "Bring every node's packages up to date, one at a time"),
        "status": ("du_infra.cli.region.status", "Nodes, services, readiness; exit 6 when not ready"),
        "doctor": ("du_infra.cli.region.doctor", "What is amiss, or soon will be; exit 6 where something is bad"),
        "kubeconfig": ("du_infra.cli.region.kubeconfig", "Access to the cluster of a region with K3s"),
        "backup": (
            "du_infra.cli.region.backup",
            "Copy what the cluster of a region with K3s keeps, or list the copies",
        ),
        "restore": ("du_infra.cli.region.restore", "Bring a cluster that lost its server back from its backup"),
        "reconcile": (
            "du_infra.cli.region.reconcile",
            "Have a region become what its machines are",
        ),
        "plan": ("du_infra.cli.region.plan", "What `up` would do"),
    }


@click.group(cls=_Region)
def command() -> None:
    """Bring a region up or down, look at it, plan it."""
