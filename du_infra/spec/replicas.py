"""How many copies of a service a K3s region runs: ``replicas`` in fleet.yaml, a number or bounds."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, field_validator

from du_infra.spec.base import Model
from du_infra.spec.rules import broken_rule
from du_infra.spec.values import Percent

MOST_COPIES = 50


class ReplicasSpec(Model):
    """The fewest and the most copies in a region, and what each should have to do."""

    min: int = Field(default=1, ge=1, le=MOST_COPIES, description="The fewest copies, whatever there is to do.")
    max: int | None = Field(
        default=None, ge=1, le=MOST_COPIES, description="The most copies that are made under load; without it, min."
    )
    cpu: Percent = Field(
        default=Percent("70%"),
        description="How busy a copy should be, as a share of its cpus, or of one CPU where it has no limit.",
    )

    @field_validator("cpu")
    @classmethod
    def _some(cls, value: Percent) -> Percent:
        if value.points == 0:
            raise broken_rule("must be more than 0%")
        return value

    @property
    def most(self) -> int:
        """The most copies, as a number."""
        return self.max or self.min


def _number_means_both(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | dict | ReplicasSpec):
        raise broken_rule("must be a whole number, or bounds such as {min: 1, max: 3}")
    if isinstance(value, int):
        if not 1 <= value <= MOST_COPIES:
            raise broken_rule(f"must be 1 to {MOST_COPIES}")
        return {"min": value, "max": value}
    return value


_Number: TypeAlias = Annotated[int, Field(ge=1, le=MOST_COPIES)]
Replicas: TypeAlias = Annotated[
    ReplicasSpec, BeforeValidator(_number_means_both, json_schema_input_type=_Number | ReplicasSpec)
]
