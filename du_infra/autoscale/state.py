"""What the autoscaler knows and what it decides: plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Metric: TypeAlias = Literal["cpu", "memory", "pressure", "rps", "p95"]

MEASURED_SECONDS = 60.0
"""Every measure is over the minute that ends when the sample was taken."""


@dataclass(frozen=True)
class Settings:
    """``targets`` for each node: cpu, memory and pressure in percent, rps, p95 in ms; at least one.

    ``least`` and ``most`` nodes; times in seconds; ``tolerance`` as a share (0.1 for 10 %).
    """

    least: int
    most: int
    targets: Mapping[Metric, float]
    up_after: float = 60.0
    down_after: float = 300.0
    cooldown: float = 120.0
    tolerance: float = 0.1


@dataclass(frozen=True)
class Sample:
    """What the nodes of a region had to do in the minute before ``when`` (seconds of any clock).

    ``nodes`` is how many the region counts on, ``silent`` how many of them did not tell it. The measures are means over
    those that did: cpu, memory and pressure in percent, rps of one node; ``p95`` (ms) is weighted by requests, None
    where there were too few. None: not known.
    """

    when: float
    nodes: int
    silent: int = 0
    cpu: float | None = None
    memory: float | None = None
    pressure: float | None = None
    rps: float | None = None
    p95: float | None = None


@dataclass(frozen=True)
class Change:
    """The number of nodes was changed, or somebody began to, at ``when`` (seconds); ``ended``: it came to its end."""

    when: float
    before: int
    after: int
    why: str = ""
    ended: bool = True


@dataclass(frozen=True)
class State:
    """``nodes`` have joined, ``wish`` are asked for; ``changes`` of the last hours, the oldest first."""

    nodes: int
    wish: int
    changes: tuple[Change, ...] = field(default=())


@dataclass(frozen=True)
class Decision:
    """From ``nodes`` to ``want``, and ``why`` in words; the same number when nothing is to be done.

    ``resumed``: it is what was begun before and did not come to its end, whatever the numbers are.
    """

    nodes: int
    want: int
    why: str
    resumed: bool = False

    @property
    def changes(self) -> bool:
        """Whether something is to be done."""
        return self.want != self.nodes or self.resumed

    def __str__(self) -> str:
        numbers = f"{self.nodes} → {self.want}" if self.want != self.nodes else f"{self.nodes}"
        return f"{numbers}: {self.why}"
