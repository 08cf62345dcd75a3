"""From what the loop does to what is shown of it, and told to those who asked to be. It never harms the loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Set
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from du_infra.autoscale.measure import sample_of
from du_infra.control.context import RegionContext
from du_infra.control.traffic.shown import traffic_seen
from du_infra.control.watch import Watcher
from du_infra.errors import Busy, DuError
from du_infra.health.heal import Healing
from du_infra.health.plan import judge
from du_infra.notify.notes import Note, of_decision, of_releases
from du_infra.pool.wish import nodes_wanted
from du_infra.progress import Event, Reporter, line
from du_infra.seeing.board import Board
from du_infra.seeing.nodes import front_report, nodes_seen
from du_infra.seeing.state import AutoscaleSeen, HealingSeen, RegionSeen
from du_infra.store.seeing import Stored

if TYPE_CHECKING:
    from du_infra.control.autoscale import Autoscaled
    from du_infra.control.decision import Decision
    from du_infra.control.heal import Look
    from du_infra.control.traffic.look import View
    from du_infra.notify.sender import Sender

P = ParamSpec("P")
T = TypeVar("T", bound="Eyes")

_READS = 20
_ENTRANCE_SECONDS = 2.0
"""Between two pictures of the entrance: of ten thousand regions one takes longer than a pass."""


def harmless(method: Callable[Concatenate[T, P], None]) -> Callable[Concatenate[T, P], None]:
    """``method``, whose every failure is counted and goes no further: that nobody sees a region must not harm it."""

    def guarded(self: T, /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception:
            self.board.failed_to_show()

    return guarded


class Eyes(Watcher):
    """Fills a board from what the loop tells, and hands notes to a sender.

    ``shown``: whether anybody can see the board. The store is read for it at most ``_READS`` times a second, however
    many regions there are: what is shown of it may be some seconds older than the rest.
    """

    def __init__(self, board: Board, sender: Sender | None = None, *, shown: bool = True) -> None:
        self.board = board
        self._sender = sender
        self._shown = shown
        self._minded = 1
        self._stored: dict[str, tuple[float, Stored]] = {}
        self._entrance_shown = float("-inf")

    @harmless
    def minded(self, contexts: Mapping[str, RegionContext], ours: Set[str], mistake: str) -> None:
        fleet = next((context.fleet.fleet for context in contexts.values()), "")
        boots = {name: contexts[name].spec.pool.boot_timeout.seconds for name in ours}
        self.board.minded(fleet, boots, mistake)
        self._minded = max(1, len(ours))
        for name in self._stored.keys() - ours:
            self._stored.pop(name, None)
        if self._sender and contexts:
            context = next(iter(contexts.values()))
            self.board.hooks(frozenset(context.fleet.notify))
            self._sender.use(context.fleet.fleet, context.folder, context.fleet.notify)

    def listening(self, region: str, report: Reporter) -> Reporter:
        def both(event: Event) -> None:
            self._doing(region, event)
            report(event)

        return both

    @harmless
    def began(self, region: str) -> None:
        self.board.began(region)

    @harmless
    def saw(self, context: RegionContext, seen: Look, plan: Healing) -> None:
        sender = self._sender if self._sender and self._sender.wanted("release") else None
        if not (self._shown or sender):
            return
        stored, fresh = self._of_store(context)
        if self._shown:
            self.board.saw(region_seen(context, seen, plan, stored))
        if sender and fresh:
            for note in self._news(context, stored):
                sender.send(note)

    @harmless
    def scaled(self, region: str, planned: Autoscaled) -> None:
        decision = planned.decision
        seen = AutoscaleSeen(time.monotonic(), decision.nodes, decision.want, decision.why, planned.targets)
        self.board.scaled(region, seen)

    @harmless
    def entrance(self, view: View | None) -> None:
        if view is None:
            self.board.traffic(None)
        elif self._shown and time.monotonic() - self._entrance_shown >= _ENTRANCE_SECONDS:
            self._entrance_shown = time.monotonic()
            self.board.traffic(traffic_seen(view))

    @harmless
    def told(self, decision: Decision) -> None:
        self.board.told(decision.region, decision.kind, decision.about, decision.node, decision.text)
        if self._sender:
            self._sender.send(of_decision(decision.region, decision.kind, decision.about, decision.node, decision.text))

    @harmless
    def ended(self, region: str, error: DuError | None) -> None:
        self.board.ended(region, str(error) if error else "", busy=isinstance(error, Busy))

    @harmless
    def _doing(self, region: str, event: Event) -> None:
        self.board.doing(region, line(event).strip())

    def _of_store(self, context: RegionContext) -> tuple[Stored, bool]:
        """What the store knows, and whether it was read just now."""
        now = time.monotonic()
        until, kept = self._stored.get(context.name, (0.0, Stored()))
        if now < until or not context.is_begun:
            return kept, False
        kept = context.store.seeing.of(context.name)
        self._stored[context.name] = now + self._minded / _READS, kept
        return kept, True

    def _news(self, context: RegionContext, stored: Stored) -> list[Note]:
        """What has become of releases since somebody was told of them last."""
        kept, name = context.store.told, context.name
        found = of_releases(name, stored.releases, kept.of(name))
        return [note for one in found if kept.tell(name, one.service, one.before, one.mark) for note in one.notes]


def region_seen(context: RegionContext, seen: Look, plan: Healing, stored: Stored) -> RegionSeen:
    """A region as one look found it."""
    leaving = {node.name: node.state for node in seen.record.nodes if not node.staying}
    answer = front_report(seen.reports)
    status = judge(context.name, context.spec, context.services, seen.record.vip, seen.reports, answer, leaving)
    joined = [node.name for node in seen.record.staying if node.joined]
    heal = context.spec.heal
    return RegionSeen(
        at=time.monotonic(),
        status=status,
        wanted=context.nodes or nodes_wanted(context.spec.pool, stored.scaled) if seen.record.nodes else 0,
        nodes=nodes_seen(seen.views, seen.reports, plan.sightings),
        measured=sample_of(joined, seen.reports, time.monotonic()) if joined else None,
        healing=HealingSeen(heal.enabled, stored.replacing, stored.replaced, heal.per_hour),
        releases=stored.releases,
        leases=stored.leases,
        events=stored.events,
    )
