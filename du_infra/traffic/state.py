"""What a name answers: the regions behind it, their weights, and which of them are given out. Plain data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Endpoint:
    """One region behind a name.

    ``weight`` is the region's part of the answers beside the other weights, 0 to 100 (0: drained, it is given to
    nobody). ``up``: whether health lets it be given out; a region that is down keeps its weight for when it is back.
    """

    address: str
    weight: int
    up: bool = True

    @property
    def given_out(self) -> bool:
        """Whether any answer has it."""
        return self.up and self.weight > 0


@dataclass(frozen=True)
class Record:
    """One DNS name and where it leads. ``ttl`` in seconds; ``endpoints`` by the region's name."""

    name: str
    ttl: int
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The type of its answers: "A" or "AAAA"."""
        return "AAAA" if any(":" in one.address for one in self.endpoints.values()) else "A"

    def live(self) -> Iterator[str]:
        """The regions that answers have."""
        return (name for name, one in self.endpoints.items() if one.given_out)

    def shares(self) -> dict[str, float]:
        """Each region's expected share of the answers, 0 to 1; they add up to 1 unless nobody is given out."""
        total = sum(one.weight for one in self.endpoints.values() if one.up)
        return {name: one.weight / total if one.up and total else 0.0 for name, one in sorted(self.endpoints.items())}


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. ``min_ttl`` in seconds; ``health``: it takes a region out by itself, asked by nobody."""

    weights: bool
    health: bool
    atomic: bool
    min_ttl: int = 0
