"""Who watches the loop at work; by default nobody does."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import TYPE_CHECKING

from du_infra.progress import Reporter

if TYPE_CHECKING:
    from du_infra.control.autoscale import Autoscaled
    from du_infra.control.context import RegionContext
    from du_infra.control.decision import Decision
    from du_infra.control.heal import Look
    from du_infra.control.traffic.look import View
    from du_infra.errors import DuError
    from du_infra.health.heal import Healing


class Watcher:
    """Is told what the loop does, from several threads. No method may raise, or take longer than a look at the
    store does."""

    def minded(self, contexts: Mapping[str, RegionContext], ours: Set[str], mistake: str) -> None:
        """Of the regions that might be minded here these are ``ours``; ``mistake`` is what is wrong with the fleet
        file, "" for nothing. Told again and again."""

    def listening(self, region: str, report: Reporter) -> Reporter:
        """A reporter in the place of ``report`` for what is done in a region."""
        return report

    def began(self, region: str) -> None:
        """A pass over a region begins."""

    def saw(self, context: RegionContext, seen: Look, plan: Healing) -> None:
        """The region was looked at, and it was planned what is done about its nodes."""

    def scaled(self, region: str, planned: Autoscaled) -> None:
        """It was planned how many nodes the region should have."""

    def entrance(self, view: View | None) -> None:
        """A pass over the world's entrance was made; None: there is none, or it is minded no more."""

    def told(self, decision: Decision) -> None:
        """A decision was told."""

    def ended(self, region: str, error: DuError | None) -> None:
        """The pass is over; ``error`` is what went wrong."""
