"""What to do on a node: a pure function from (wanted, observed) to an ordered list of small actions.

What it keeps, whatever was observed and wherever an earlier run was cut off:

- a slot that the gateway routes to is never stopped or removed;
- once a ready slot is routed, some ready slot stays routed;
- a new slot gets requests only after it was ready, and while it is watched the old one stands behind it;
- a release that is held gets no request until it is let go on;
- a release that failed is not tried again: what served before serves again, and the failed copy goes;
- where all is as wanted, the plan is empty.
"""

from __future__ import annotations

from du_node.actions import Action, RemoveImage, StartGateway
from du_node.back import go_back
from du_node.draft import Draft
from du_node.forward import advance, begin, finish
from du_node.rollout import Rollout
from du_node.slots import clear
from du_node.state import Container, Observed, Service, Wanted
from du_node.watch import GATEWAY


def plan(
    wanted: Wanted,
    seen: Observed,
    *,
    keep: frozenset[str] = frozenset(),
    leave: frozenset[str] = frozenset(),
    sick: frozenset[str] = frozenset(),
) -> tuple[Action, ...]:
    """The steps from ``seen`` to ``wanted``.

    ``keep`` names services whose wanted release failed: the way back, and then only repairs. ``leave`` names services
    whose way back failed too: nothing is done for them. ``sick`` names services whose routed slot has not answered
    for long: it is restarted; ``watch.GATEWAY`` among them is the gateway.
    """
    draft = Draft(wanted, seen)
    if not seen.gateway.running or GATEWAY in sick:
        draft.add(StartGateway())
    for service in wanted.services:
        if service.name in leave:
            continue
        if service.name in keep:
            go_back(draft, service, sick)
        else:
            _go_on(draft, service, sick)
    _retire(draft, {service.name for service in wanted.services})
    draft.settle()
    _collect(draft, wanted)
    return draft.actions


def _go_on(draft: Draft, service: Service, sick: frozenset[str]) -> None:
    current = _adopt(draft, service)
    if not current:
        begin(draft, service)
    elif current.serves(service):
        finish(draft, current, service, sick)
    else:
        advance(draft, current, service)


def _adopt(draft: Draft, service: Service) -> Container | None:
    """The slot that serves now. A ready one is routed first where the gateway has none that is ready.

    That is so after the gateway lost its configuration, or when a slot died in the middle of a switch. Of two that
    are ready the earlier release serves: the wanted one may not have been watched to its end. One that is held is no
    choice while there is another that can be started again.
    """
    slots = draft.slots(service.name)
    primary = slots.get(draft.pair(service.name).primary)
    ready = [c for c in slots.values() if c.running and c.ready]
    if primary and service.rollout.hold:
        ready = [c for c in ready if c == primary or not c.serves(service)]
    if primary in ready or not ready:
        return primary
    best = min(ready, key=lambda c: c.serves(service))
    draft.route(best)
    return best


def _retire(draft: Draft, wanted: set[str]) -> None:
    """Services nobody wants: they leave the gateway first, all at once, then their slots go."""
    leaving = [c for c in draft.containers if c.service not in wanted]
    draft.unroute(wanted)
    for container in leaving:
        clear(draft, container, Rollout())


def _collect(draft: Draft, wanted: Wanted) -> None:
    """Images that neither a slot nor a wanted service uses. A stopped slot keeps the previous release's image."""
    used = {c.image for c in draft.containers} | {s.image for s in wanted.services}
    for image in sorted(draft.images - used):
        draft.add(RemoveImage(image))
