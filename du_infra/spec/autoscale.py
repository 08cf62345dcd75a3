"""When a region's pool grows and shrinks by itself: ``pool.autoscale`` in fleet.yaml."""

from __future__ import annotations

from typing import Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from du_infra.spec.base import Model
from du_infra.spec.rules import broken_rule
from du_infra.spec.values import Duration, Percent

TARGETS = ("cpu", "memory", "pressure", "rps", "p95")


class AutoscaleSpec(Model):
    """What each machine should have to do, and how patient the region is; at least one target."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in TARGETS]})

    cpu: Percent | None = Field(default=None, description="How busy the CPUs of a machine should be.")
    memory: Percent | None = Field(
        default=None, description="How much of a machine's memory should be in use, without caches."
    )
    pressure: Percent | None = Field(
        default=None, description="The share of the time in which something on a machine may wait for memory."
    )
    rps: float | None = Field(
        default=None,
        ge=0.1,
        le=1_000_000,
        allow_inf_nan=False,
        description="How many requests a second each machine should answer.",
    )
    p95: Duration | None = Field(
        default=None, description="The time within which 95% of the answers should begin, such as 200ms."
    )
    up_after: Duration = Field(
        default=Duration("1m"), description="How long it must be too much before machines are added."
    )
    down_after: Duration = Field(
        default=Duration("5m"), description="How long fewer machines must have been enough before one goes."
    )
    cooldown: Duration = Field(
        default=Duration("2m"), description="How long nothing is changed after a change of the number of machines."
    )
    tolerance: Percent = Field(
        default=Percent("10%"), description="How far from a target counts as on it, as a share of the target."
    )

    @field_validator("cpu", "memory", "pressure")
    @classmethod
    def _some(cls, value: Percent | None) -> Percent | None:
        if value is not None and value.points == 0:
            raise broken_rule("must be more than 0%")
        return value

    @field_validator("p95")
    @classmethod
    def _takes_time(cls, value: Duration | None) -> Duration | None:
        if value is not None and value.seconds == 0:
            raise broken_rule("must be more than 0")
        return value

    @field_validator("tolerance")
    @classmethod
    def _less_than_half(cls, value: Percent) -> Percent:
        if value.points > 50:
            raise broken_rule("must be at most 50%")
        return value

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if all(getattr(self, name) is None for name in TARGETS):
            words = f"must have a target: one or more of {', '.join(TARGETS)}"
            raise broken_rule(words)
        return self
