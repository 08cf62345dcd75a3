"""Who is told of what du-infra decides: ``notify:`` in fleet.yaml."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import Field

from du_infra.spec.base import Items, Model
from du_infra.spec.container import SecretSource

NoteKind: TypeAlias = Literal["release", "healing", "autoscale", "traffic", "upkeep"]
NOTE_KINDS: tuple[NoteKind, ...] = ("release", "healing", "autoscale", "traffic", "upkeep")


class HookSpec(Model):
    """One webhook: an address that gets a POST with JSON for each thing that happens."""

    url: SecretSource = Field(description="Where its address is; it may hold a password, so it does not stand here.")
    secret: SecretSource | None = Field(
        default=None, description="Where the key is with which messages are signed; without it they are not."
    )
    kinds: Items[NoteKind] = Field(
        default=NOTE_KINDS,
        min_length=1,
        description="What it is told of: release, healing, autoscale, traffic, upkeep (backups, a wrong fleet file).",
    )
