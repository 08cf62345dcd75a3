"""What a rollout works with, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from du_infra.control.release.cuts import Pace
from du_infra.errors import DuError
from du_infra.progress import Event, Reporter, stage
from du_infra.release.driver import Nodes
from du_infra.release.state import Rollout
from du_infra.store.leases import Lease
from du_infra.store.rollouts import Rollouts


@dataclass(frozen=True)
class Desk:
    """The nodes, the history, the leases we hold, who is told of progress, and how patient we are.

    ``stage`` is the stage of a larger command inside which all of it happens; "" gives each part a stage of its own.
    """

    nodes: Nodes
    table: Rollouts
    report: Reporter
    leases: Sequence[Lease] = ()
    pace: Pace = field(default_factory=Pace)
    stage: str = ""

    def check(self) -> None:
        """Raises Busy when one of our leases is not ours any more."""
        for lease in self.leases:
            lease.check()

    @contextmanager
    def part(self, name: str, text: str, *, told: bool = True) -> Iterator[str]:
        """A part of the work as a stage of its own, or as a step (if it is ``told``) of the stage it is in.

        Yields that stage's name.
        """
        if self.stage:
            if told:
                self.report(Event("step", self.stage, f"{name}: {text}"))
            yield self.stage
            return
        with stage(self.report, name, text):
            yield name


@dataclass(frozen=True)
class Ending:
    """How a rollout ended: its rows, and the error that a person is told, if it did not end as it was meant to.

    ``missing`` are nodes that did not answer and were passed over, ``worked`` whether any node was asked for anything.
    """

    rollouts: tuple[Rollout, ...]
    error: DuError | None = None
    missing: tuple[str, ...] = ()
    worked: bool = False
