"""What a region with ``runtime: k3s`` runs: ``k3s:`` in fleet.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, SerializerFunctionWrapHandler, model_serializer

from du_infra.spec.base import Model
from du_infra.spec.container import SecretSource
from du_infra.spec.rules import Rule, broken_rule

VERSION = "v1.34.4+k3s1"
"""The K3s of a region that names none."""

_OLDEST = (1, 32)


def _version_words(text: str) -> str:
    found = re.match(r"v([0-9]{1,3})\.([0-9]{1,3})\.", text)
    if found and (int(found[1]), int(found[2])) < _OLDEST:
        return "must be v1.32 or newer: an older kubelet reads no settings of ours"
    return ""


def _version_mend(text: str) -> str:
    found = re.fullmatch(r"v?([0-9.]+)(?:[+-]k3s([0-9]+))?", text.strip().lower())
    return f"v{found[1]}+k3s{found[2] or 1}" if found else ""


Version: TypeAlias = Annotated[
    str,
    Rule(
        r"v[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?:-rc[0-9]{1,3})?\+k3s[0-9]{1,3}(?:-[a-z0-9]+)?",
        f"must be a release of K3s such as {VERSION}",
        longest=60,
        refine=_version_words,
        mend=_version_mend,
        examples=(VERSION,),
    ),
]


def _odd_and_few(value: Any) -> Any:
    """Literal alone takes true for 1."""
    if isinstance(value, bool) or value not in (1, 3):
        words = "must be 1 or 3" + (": two servers bear no loss" if value == 2 else "")
        raise broken_rule(words)
    return value


Servers: TypeAlias = Annotated[Literal[1, 3], BeforeValidator(_odd_and_few)]
Folder: TypeAlias = Annotated[str, Rule(r"[^\x00]+", "must be the path of a folder", longest=4096)]


class K3sSpec(Model):
    """Which K3s, where its files come from, how many of the machines are servers, and what has the cluster's data."""

    version: Version = Field(default=VERSION, description="The release of K3s that the machines get.")
    folder: Folder | None = Field(
        default=None,
        alias="from",  # a word of Python's own
        description="A folder with the release's files, beside fleet.yaml if relative. Without it they are downloaded.",
    )
    servers: Servers = Field(default=1, description="How many of the machines are servers; three bear the loss of one.")
    datastore: SecretSource | None = Field(
        default=None,
        description="Where the address of an external datastore is, with user and password; two machines are servers.",
    )
    metrics_server: bool = Field(
        default=False, description="Whether the cluster measures its pods, for autoscalers that come by Git; 50 MB."
    )

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {"from" if name == "folder" else name: value for name, value in handler(self).items()}
