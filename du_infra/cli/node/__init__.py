"""``du-infra node``: one file per verb."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Node(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "list": ("du_infra.cli.node.list", "The nodes, what they do and how they are"),
        "drain": ("du_infra.cli.node.drain", "Have a node take no new requests"),
        "undrain": ("du_infra.cli.node.undrain", "Have a node take requests again"),
        "remove": ("du_infra.cli.node.remove", "Drain a node and destroy it; the region has one less"),
        "leave": ("du_infra.cli.node.leave", "Drain a node for who destroys its machine; for Terraform's hooks"),
        "replace": ("du_infra.cli.node.replace", "Make another node, then drain and destroy this one"),
        "reboot": ("du_infra.cli.node.reboot", "Drain a node, reboot it, have it serve again"),
        "upgrade": ("du_infra.cli.node.upgrade", "Drain a node, bring its packages up to date, have it serve again"),
    }


@click.group(cls=_Node)
def command() -> None:
    """Single machines: list, drain, remove, replace, reboot, upgrade. The region is found by the node's name."""
