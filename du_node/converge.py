"""Look, plan, do, until nothing is left to do; a failure starts it over from what is there. Does no I/O itself."""

from __future__ import annotations

from collections.abc import Callable

from du_node.actions import Action, Observe, Preflight, Pull, RemoveImage, Run, SetRoutes, StartGateway
from du_node.errors import NodeError
from du_node.outcome import Outcome
from du_node.plan import plan
from du_node.state import Observed, Wanted

_ROUNDS = 6

Tell = Callable[..., None]
"""Says one line of output: its fields by name."""


def converge(
    wanted: Wanted,
    outcome: Outcome,
    look: Callable[[], Observed],
    do: Callable[[Action], None],
    tell: Tell,
    sick: frozenset[str] = frozenset(),
) -> None:
    """Bring what ``look`` sees to what is ``wanted``; ``outcome`` tells how it went.

    Raises NodeError when the node itself fails, and not only one of its services.
    """
    spared: set[str] = set()
    for _ in range(_ROUNDS + 4 * len(wanted.services)):
        seen = look()
        planned = plan(wanted, seen, keep=outcome.keep, leave=outcome.leave, sick=sick)
        steps = [step for step in planned if not (isinstance(step, RemoveImage) and step.image in spared)]
        if not steps:
            outcome.look(seen)
            return
        for step in steps:
            try:
                do(step)
            except NodeError as trouble:
                _note(step, trouble, outcome, tell, spared)
                break
        sick = frozenset()
    raise NodeError("tool", "the node does not settle: something changes it at the same time")


def owner(step: Action) -> str:
    """The service that a step is for; none for the gateway's and the node's own steps."""
    if isinstance(step, StartGateway | RemoveImage):
        return ""
    if isinstance(step, SetRoutes):
        return step.service
    if isinstance(step, Observe):
        return step.new.service
    if isinstance(step, Preflight | Pull | Run):
        return step.service.name
    return step.container.service


def _note(step: Action, trouble: NodeError, outcome: Outcome, tell: Tell, spared: set[str]) -> None:
    """What a failed step means. Raises ``trouble`` where it is no service's."""
    service = owner(step)
    if isinstance(step, RemoveImage):
        spared.add(step.image)
        tell(kind="warning", text=str(trouble))
    elif not service:
        raise trouble
    elif outcome.excuses(service, trouble):
        tell(kind="warning", text=f"{service}: {trouble}; once more, from what is there now")
    else:
        trouble.service = service
        tell(**trouble.line())
        outcome.fail(service, trouble)
