"""What every part of a fleet file is made of."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

T = TypeVar("T")
# A tuple that a list may fill (a frozen model holds no list); its items stay strict.
Items: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]


class Model(BaseModel):
    """Frozen and strict: no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


def keys_of(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """A model's fields by the key that a fleet file has for each."""
    return {field.alias or name: field for name, field in model.model_fields.items()}
