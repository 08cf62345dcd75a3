"""How a region's nodes are healed from outside: ``heal:`` in fleet.yaml."""

from __future__ import annotations

from pydantic import Field, field_validator

from du_infra.spec.base import Model
from du_infra.spec.rules import broken_rule
from du_infra.spec.values import Duration, Percent


class HealSpec(Model):
    """When a node counts as dead, and how many may be replaced by nobody's order."""

    enabled: bool = Field(
        default=True, description="Whether `du-infra control run` starts and replaces machines of the region."
    )
    dead_after: Duration = Field(
        default=Duration("30s"),
        description="How long a node must be dead, by the word of at least two observers, until something is done.",
    )
    max_share: Percent = Field(
        default=Percent("34%"),
        description="The share of the machines that may be in replacement at once; one always may.",
    )
    per_hour: int = Field(
        default=3, ge=0, le=50, description="How many machines may be replaced in an hour; 0: stopped ones are started."
    )

    @field_validator("dead_after")
    @classmethod
    def _not_at_once(cls, value: Duration) -> Duration:
        if value.seconds < 1:
            raise broken_rule("must be at least 1s", "1s")
        return value
