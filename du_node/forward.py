"""The way forward: from the release that serves to the wanted one, step by step."""

from __future__ import annotations

from du_node.actions import AwaitReady, Observe, Preflight, Pull, WarmUp
from du_node.draft import Draft
from du_node.rollout import Rollout
from du_node.slots import clear, revive, tidy
from du_node.state import SLOTS, Container, Service, other


def begin(draft: Draft, service: Service) -> None:
    """Nothing serves yet: the wanted release gets all requests as soon as it is ready."""
    target = _running_copy(draft, service) or _fill_slot(draft, None, service)
    draft.add(AwaitReady(target, service.rollout.passes))
    draft.route(target)


def advance(draft: Draft, current: Container, service: Service) -> None:
    """Bring the wanted release up beside ``current``, move the requests to it, and let ``current`` go.

    It goes on from what the gateway shows: an earlier run may have been cut off anywhere.
    """
    rollout, seen = service.rollout, draft.pair(service.name)
    if not current.running:
        current = draft.wake(current)
    target = _running_copy(draft, service)
    if target and target.slot == seen.backup:
        _return(draft, current, target, rollout)
        return
    target = target or _fill_slot(draft, current, service)
    if rollout.hold and target.slot == draft.pair(service.name).preview:
        return
    draft.add(AwaitReady(target, rollout.passes))
    if rollout.warm_up and target.slot not in draft.pair(service.name).slots:
        draft.add(WarmUp(target, rollout.warm_up))
    if rollout.hold:
        draft.preview(current, target)
        return
    _send_some(draft, current, target, rollout)
    draft.route(target, current)
    _send_all(draft, target, current, rollout)


def finish(draft: Draft, current: Container, service: Service, sick: frozenset[str]) -> None:
    """The wanted release has the requests: see that it is well, and that the other slot is out of the way."""
    revive(draft, current, service, sick)
    spare = draft.container(service.name, other(current.slot))
    if spare and spare.slot == draft.pair(service.name).backup:
        _send_all(draft, current, spare, service.rollout)
    else:
        tidy(draft, current, spare, service.rollout)


def _send_some(draft: Draft, current: Container, target: Container, rollout: Rollout) -> None:
    """Shares that grow, each watched. Without watching there is nothing to wait for between them, so there are none."""
    if not rollout.observe:
        return
    seen = draft.pair(target.service)
    if seen.canary == target.slot:
        draft.add(Observe(target, current, rollout, seen.share))
    for share in rollout.canary:
        if share > seen.share:
            draft.share(current, target, share)
            draft.add(Observe(target, current, rollout, share))


def _send_all(draft: Draft, target: Container, current: Container, rollout: Rollout) -> None:
    """``target`` has all requests with ``current`` as backup: watch it, then let ``current`` go."""
    if rollout.observe and current.running:
        draft.add(Observe(target, current, rollout, 100))
    draft.route(target)
    if current.running:
        draft.let_go(current, rollout.cut_after)


def _return(draft: Draft, current: Container, target: Container, rollout: Rollout) -> None:
    """What served before the switch is wanted again: at once, for it needs no watching."""
    draft.add(AwaitReady(target, rollout.passes))
    draft.route(target)
    draft.let_go(current, rollout.cut_after)


def _running_copy(draft: Draft, service: Service) -> Container | None:
    """A slot that an earlier, interrupted run has started already."""
    return next((c for c in draft.slots(service.name).values() if c.running and c.serves(service)), None)


def _fill_slot(draft: Draft, current: Container | None, service: Service) -> Container:
    pull = service.image not in draft.images
    draft.add(Preflight(service, pull))
    if pull:
        draft.add(Pull(service))
    slot = other(current.slot) if current else _free_slot(draft, service.name)
    occupant = draft.container(service.name, slot)
    if occupant:
        if current and slot in draft.pair(service.name).slots:
            draft.route(current)
        clear(draft, occupant, service.rollout)
    return draft.run(service, slot)


def _free_slot(draft: Draft, name: str) -> str:
    """A slot without a container, or else with one that stands still."""

    def cost(slot: str) -> int:
        found = draft.container(name, slot)
        return 0 if not found else 2 if found.running else 1

    return min(SLOTS, key=cost)
