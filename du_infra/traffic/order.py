"""What a person asks of the world's entrance. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TrafficOrder:
    """``shares`` in percent, by region; of "drain" and "undrain" only the region counts."""

    kind: Literal["shift", "drain", "undrain"]
    shares: Mapping[str, int]

    @classmethod
    def shift(cls, shares: Mapping[str, int]) -> TrafficOrder:
        """These regions get so many percent of the answers each; the others share the rest as they did."""
        return cls("shift", dict(shares))

    @classmethod
    def drain(cls, region: str) -> TrafficOrder:
        """A region gets nothing, not even as a standby, until ``undrain``."""
        return cls("drain", {region: 0})

    @classmethod
    def undrain(cls, region: str) -> TrafficOrder:
        """A region gets again what its weight says."""
        return cls("undrain", {region: 0})
