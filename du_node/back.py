"""The way back: the wanted release failed, so what served before serves again, and the failed copy goes."""

from __future__ import annotations

from du_node.draft import Draft
from du_node.slots import clear, copy_of, repair, revive, tidy
from du_node.state import Container, Service, other


def go_back(draft: Draft, service: Service, sick: frozenset[str]) -> None:
    """The steps back from wherever the release failed; nothing more where they are done.

    A wanted release that is all there is, or that has been live for long, is only repaired.
    """
    failed = copy_of(draft, service)
    if not failed:
        _keep(draft, service, sick)
        return
    before = draft.container(service.name, other(failed.slot))
    if before and not _is_live(draft, failed, before):
        _give_back(draft, service, before, failed, sick)
    elif draft.pair(service.name).primary == failed.slot:
        repair(draft, failed, service, sick)
        tidy(draft, failed, before, service.rollout)
    elif failed.ready:
        draft.route(failed)
    else:
        clear(draft, failed, service.rollout)


def _is_live(draft: Draft, failed: Container, before: Container) -> bool:
    """Whether the switch to it was over: it has all requests, and nothing stands behind it."""
    pair = draft.pair(failed.service)
    return pair.primary == failed.slot and pair.backup != before.slot


def _give_back(draft: Draft, service: Service, before: Container, failed: Container, sick: frozenset[str]) -> None:
    """As long as the failed copy is routed it may be all that answers: ``before`` must be ready first."""
    pair = draft.pair(service.name)
    if failed.slot in pair.slots or not pair.primary:
        revive(draft, before, None, sick)
        draft.route(before)
    else:
        repair(draft, before, service, sick)
    clear(draft, failed, service.rollout)


def _keep(draft: Draft, service: Service, sick: frozenset[str]) -> None:
    """The failed copy is gone: what serves is kept well, and routed where the gateway has lost it."""
    slots = draft.slots(service.name)
    primary = draft.pair(service.name).primary
    ready = [c for c in slots.values() if c.ready]
    if primary:
        repair(draft, slots[primary], service, sick)
    elif ready:
        draft.route(ready[0])
