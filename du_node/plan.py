"""What to do on a node: a pure function from (wanted, observed) to an ordered list of small actions.

What it keeps, whatever was observed and wherever an earlier run was cut off:

- a slot that the gateway routes to is never stopped or removed;
- once a ready slot is routed, some ready slot stays routed;
- a new slot gets requests only after it was ready, with the old one behind it as backup;
- where all is as wanted, the plan is empty.
"""

from __future__ import annotations

from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Pull,
    RemoveImage,
    Restart,
    Start,
    StartGateway,
)
from du_node.draft import Draft
from du_node.state import SLOTS, Container, Observed, Service, Wanted, other


def plan(
    wanted: Wanted,
    seen: Observed,
    *,
    keep: frozenset[str] = frozenset(),
    sick: frozenset[str] = frozenset(),
) -> tuple[Action, ...]:
    """The steps from ``seen`` to ``wanted``.

    ``keep`` names services whose wanted release failed: what is routed for them stays and is only repaired.
    ``sick`` names services whose routed slot has not answered for long: it is restarted.
    """
    draft = Draft(wanted, seen)
    if not seen.gateway.running:
        draft.add(StartGateway())
    for service in wanted.services:
        current = _adopt(draft, service)
        if service.name in keep:
            _repair(draft, current, service, sick)
        elif current and current.serves(service):
            _finish(draft, current, service, sick)
        else:
            _deploy(draft, current, service)
    _retire(draft, {service.name for service in wanted.services})
    draft.settle()
    _collect(draft, wanted)
    return draft.actions


def abandon(wanted: Wanted, seen: Observed, service: str, slot: str) -> tuple[Action, ...]:
    """The steps after ``slot`` failed to become ready: the other slot stays, or takes over again; this one goes.

    The only slot that a service is routed to is left alone, ready or not.
    """
    draft = Draft(wanted, seen)
    failed = draft.container(service, slot)
    pair = draft.pair(service)
    if not failed:
        return ()
    if pair and pair.primary == slot:
        spare = draft.container(service, pair.backup)
        if not (spare and spare.running):
            return ()
        draft.route(spare)
    elif pair and pair.backup == slot:
        draft.route(draft.must(service, pair.primary))
    _clear(draft, failed)
    return draft.actions


def _adopt(draft: Draft, service: Service) -> Container | None:
    """The slot that serves now. A ready one is routed first where the gateway has none that is ready.

    That is so after the gateway lost its configuration, or when the new slot died in the middle of a switch.
    """
    pair = draft.pair(service.name)
    primary = draft.must(service.name, pair.primary) if pair else None
    ready = [c for slot in SLOTS if (c := draft.container(service.name, slot)) and c.running and c.ready]
    if primary in ready or not ready:
        return primary
    best = max(ready, key=lambda c: c.serves(service))
    draft.route(best)
    return best


def _deploy(draft: Draft, current: Container | None, service: Service) -> None:
    """Bring the wanted release up beside ``current``, switch to it, and let ``current`` go."""
    if current and not current.running:
        current = draft.wake(current)
    target = _running_copy(draft, service) or _fill_slot(draft, current, service)
    draft.add(AwaitReady(target))
    draft.route(target, current)
    if current:
        draft.drain()
        draft.route(target)
        draft.stop(current)


def _running_copy(draft: Draft, service: Service) -> Container | None:
    """A slot that an earlier, interrupted run has started already."""
    for slot in SLOTS:
        found = draft.container(service.name, slot)
        if found and found.running and found.serves(service):
            return found
    return None


def _fill_slot(draft: Draft, current: Container | None, service: Service) -> Container:
    if service.image not in draft.images:
        draft.add(Pull(service))
    slot = other(current.slot) if current else _free_slot(draft, service.name)
    occupant = draft.container(service.name, slot)
    if occupant:
        pair = draft.pair(service.name)
        if current and pair and pair.backup == slot:
            draft.route(current)
        _clear(draft, occupant)
    return draft.run(service, slot)


def _free_slot(draft: Draft, name: str) -> str:
    """A slot without a container, or else with one that stands still."""

    def cost(slot: str) -> int:
        found = draft.container(name, slot)
        return 0 if not found else 2 if found.running else 1

    return min(SLOTS, key=cost)


def _finish(draft: Draft, current: Container, service: Service, sick: frozenset[str]) -> None:
    """The wanted release is routed: see that it is well, and that the other slot is out of the way."""
    _revive(draft, current, service, sick)
    spare = draft.container(service.name, other(current.slot))
    if not spare:
        return
    pair = draft.pair(service.name)
    if pair and pair.backup:
        draft.add(Drain())
        draft.route(current)
    if spare.running:
        draft.stop(spare)


def _revive(draft: Draft, current: Container, service: Service | None, sick: frozenset[str]) -> None:
    if not current.running:
        draft.add(Start(current, service))
    elif not current.ready and current.service in sick:
        draft.add(Restart(current))
    elif current.ready:
        return
    draft.add(AwaitReady(current))


def _repair(draft: Draft, current: Container | None, service: Service, sick: frozenset[str]) -> None:
    if current and (not current.running or current.service in sick):
        _revive(draft, current, service if current.serves(service) else None, sick)


def _retire(draft: Draft, wanted: set[str]) -> None:
    """Services nobody wants: they leave the gateway first, all at once, then their slots go."""
    leaving = [c for c in draft.containers if c.service not in wanted]
    draft.unroute(wanted)
    for container in leaving:
        _clear(draft, container)


def _clear(draft: Draft, container: Container) -> None:
    """Stop and remove a slot that is not routed (any more)."""
    if container.running:
        draft.stop(container)
    draft.remove(container)


def _collect(draft: Draft, wanted: Wanted) -> None:
    """Images that neither a slot nor a wanted service uses. A stopped slot keeps the previous release's image."""
    used = {c.image for c in draft.containers} | {s.image for s in wanted.services}
    for image in sorted(draft.images - used):
        draft.add(RemoveImage(image))
