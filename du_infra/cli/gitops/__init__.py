"""``du-infra gitops``: what others apply from Git."""

from __future__ import annotations

from typing import ClassVar

import click

from du_infra.cli.lazy import LazyGroup


class _Gitops(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "render": ("du_infra.cli.gitops.render", "Write the Kubernetes objects of services as Kustomize or Helm files"),
    }


@click.group("gitops", cls=_Gitops)
def command() -> None:
    """Files for Git, for who has Flux or Argo CD apply them."""
