"""What is done with a service's slots, whichever way a release goes."""

from __future__ import annotations

from du_node.actions import AwaitReady, Restart, Start
from du_node.draft import Draft
from du_node.rollout import Rollout
from du_node.state import Container, Service

CUT_ANYWAY = 5.0
"""Seconds that a slot which must go is given where the service lets connections run."""


def copy_of(draft: Draft, service: Service) -> Container | None:
    """The slot that holds the wanted release, running or not; a running one first."""
    found = [c for c in draft.slots(service.name).values() if c.serves(service)]
    return max(found, key=lambda c: c.running, default=None)


def revive(draft: Draft, current: Container, anew: Service | None, sick: frozenset[str]) -> None:
    """Start a slot that stands still, restart a sick one, and wait until it is ready; a ready one is left alone."""
    if not current.running:
        draft.add(Start(current, anew))
    elif current.ready:
        return
    elif current.service in sick:
        draft.add(Restart(current))
    draft.add(AwaitReady(current))


def repair(draft: Draft, current: Container, service: Service, sick: frozenset[str]) -> None:
    """Revive a slot that stands still or is sick; one that only does not answer is given time."""
    if not current.running or current.service in sick:
        revive(draft, current, service if current.serves(service) else None, sick)


def tidy(draft: Draft, current: Container, spare: Container | None, rollout: Rollout) -> None:
    """``current`` serves: the other slot leaves the gateway and stops, unless it is let run and somebody uses it."""
    if not spare:
        return
    if spare.slot in draft.pair(current.service).slots:
        draft.route(current)
    elif rollout.cut_after is None and spare.connections:
        return
    if spare.running:
        draft.let_go(spare, rollout.cut_after)


def clear(draft: Draft, container: Container, rollout: Rollout) -> None:
    """Stop and remove a slot that is not routed (any more); what is connected to it is cut in the end."""
    if container.running:
        draft.let_go(container, CUT_ANYWAY if rollout.cut_after is None else rollout.cut_after)
    draft.remove(container)
