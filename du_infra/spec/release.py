"""How a service's new versions go live: ``release:`` in fleet.yaml."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from du_infra.spec.base import Items, Model
from du_infra.spec.rules import ReadyPath, broken_rule
from du_infra.spec.values import CutAfter, Duration, Percent


class ReleaseSpec(Model):
    """What is watched while a new version goes live, for how long, and what happens to long connections."""

    strategy: Literal["blue-green"] = Field(
        default="blue-green", description="A new copy is started beside the old one, and takes its requests over."
    )
    observe: Duration = Field(
        default=Duration("30s"),
        description="How long a new copy is watched once it gets requests, and at each canary share. 0s: not at all.",
    )
    canary: Items[Annotated[int, Field(ge=1, le=100)]] = Field(
        default=(),
        description="Percent of the requests that the new copy gets, step by step: [5, 25, 100]. Empty: all at once.",
    )
    sticky: bool = Field(
        default=False, description="Whether a client stays with the copy that answered it, while both get requests."
    )
    warm_up: ReadyPath | None = Field(
        default=None,
        description="A path that is asked for on a new copy after it is ready and before it gets requests.",
    )
    passes: int = Field(
        default=3, ge=1, le=100, description="How many good readiness answers in a row make a new copy ready."
    )
    max_errors: Percent = Field(
        default=Percent("1%"),
        description="The share of 5xx answers that the new copy may have beyond the old one's own share.",
    )
    max_latency: float = Field(
        default=1.5,
        ge=1,
        le=1000,
        allow_inf_nan=False,
        description="How many times the old copy's own 95th percentile of the response time the new one's may be.",
    )
    min_requests: int = Field(
        default=50,
        ge=1,
        le=1_000_000,
        description="Fewer requests than this are too few to judge by.",
    )
    max_restarts: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="How often the new copy may crash while it is watched.",
    )
    cut_after: CutAfter = Field(
        default=CutAfter("30s"),
        description="How long connections to the old copy may stay open after it left the gateway, or never.",
    )
    batch: int = Field(default=1, ge=1, le=50, description="How many machines are worked on at once.")
    max_unavailable: int = Field(
        default=0, ge=0, le=49, description="How many machines may be out of order for a release to begin and to go on."
    )

    @field_validator("canary")
    @classmethod
    def _shares_grow(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            meant = f"[{', '.join(str(share) for share in sorted(set(value)))}]"
            words = "must grow from step to step, such as [5, 25, 100]"
            raise broken_rule(words, meant)
        return value
