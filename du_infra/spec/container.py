"""What a service's container gets besides its environment: limits, volumes, secrets."""

from __future__ import annotations

import re
from typing import Annotated, Self, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from du_infra.spec.base import Model
from du_infra.spec.rules import EnvName, Rule, broken_rule

_KERNELS = re.compile(r"/(?:proc|sys|dev)(?:/.*)?")


def _volume_words(text: str) -> str:
    if re.match(r"/run/secrets(/|$)", text):
        return "must not be in /run/secrets: the service's secrets are there"
    if _KERNELS.fullmatch(text):
        return "must not be in /proc, /sys or /dev: they are the kernel's"
    if text and not text.startswith("/"):
        return "must be an absolute path, which starts with /"
    return ""


VolumePath: TypeAlias = Annotated[
    str,
    Rule(
        r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._@+-]+)+",
        "must be a folder in the container such as /var/lib/app: letters, digits and ._@+-, no slash last",
        refine=_volume_words,
        mend=lambda text: "/" + text.strip().strip("/"),
        examples=("/var/lib/app",),
    ),
]
SecretName: TypeAlias = Annotated[
    str,
    Rule(
        r"[A-Za-z_][A-Za-z0-9_.-]*",
        "must be a file's name: letters, digits and _.-, a letter or _ first, at most 64",
        longest=64,
        mend=lambda text: re.sub(r"[^A-Za-z0-9_.-]+", "_", text.strip()),
    ),
]
SecretFile: TypeAlias = Annotated[str, Rule(r"[^\x00]+", "must be the path of a file", longest=4096)]


class SecretSource(Model):
    """Where the value of a secret is when a release starts; exactly one place."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    file: SecretFile | None = Field(
        default=None, description="A file that only its owner may read; a relative path starts beside fleet.yaml."
    )
    env: EnvName | None = Field(default=None, description="A variable in the environment of du-infra.")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.file is None) == (self.env is None):
            words = "must name one place: {file: PATH} or {env: NAME}"
            raise broken_rule(words)
        return self
