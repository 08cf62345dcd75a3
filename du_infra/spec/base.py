"""What every part of a fleet file is made of."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")
# A tuple that a list may fill (a frozen model holds no list); its items stay strict.
Items: TypeAlias = Annotated[tuple[T, ...], Field(strict=False)]


class Model(BaseModel):
    """Frozen and strict: no unknown key, no silent conversion."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
