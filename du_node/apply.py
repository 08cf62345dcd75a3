"""Observe, plan, act: brings the node to what is wanted, and starts over from what is there after any failure."""

from __future__ import annotations

import json
import time

from du_node import files, places, runtime
from du_node.act import act
from du_node.actions import Action, AwaitReady, Drain, Run, StartGateway
from du_node.errors import NodeError
from du_node.observe import observe
from du_node.plan import abandon, plan
from du_node.runtime.driver import Runtime
from du_node.say import say
from du_node.state import Observed, Wanted
from du_node.wanted import parse

_ROUNDS = 6


class Outcome:
    """How an apply ended: how many steps it took, and the errors by service."""

    def __init__(self) -> None:
        self.steps = 0
        self.errors: dict[str, NodeError] = {}

    @property
    def exit_code(self) -> int:
        """0, or that of the first error."""
        return next((error.exit_code for error in self.errors.values()), 0)


def apply(text: str, lock: int) -> Outcome:
    """Take ``text`` (JSON) as what is wanted from now on, and do it. Raises NodeError when the node itself fails."""
    wanted = parse(text)
    files.write(places.WANTED, text)
    outcome = Outcome()
    _converge(wanted, runtime.chosen(lock), outcome)
    _remember(outcome)
    return outcome


def heal(sick: frozenset[str], lock: int) -> Outcome:
    """Go on with an apply that was cut off; or, if the last one ended, repair what is not as it left it."""
    text = files.read(places.WANTED)
    outcome = Outcome()
    if not text:
        return outcome
    result = files.read_json(places.RESULT)
    ended = result.get("wanted") == files.stamp(places.WANTED)
    failed = frozenset(result.get("failed", ())) if ended else frozenset()
    _converge(parse(text), runtime.chosen(lock), outcome, keep=failed, sick=sick)
    if not ended:
        _remember(outcome)
    return outcome


def _remember(outcome: Outcome) -> None:
    """Note that this wanted state was tried to its end, so that what failed is not tried for ever."""
    failed = sorted(outcome.errors)
    files.write(places.RESULT, json.dumps({"wanted": files.stamp(places.WANTED), "failed": failed}))


def _converge(
    wanted: Wanted,
    tool: Runtime,
    outcome: Outcome,
    keep: frozenset[str] = frozenset(),
    sick: frozenset[str] = frozenset(),
) -> None:
    for _ in range(_ROUNDS + len(wanted.services)):
        steps = plan(wanted, _observe(tool), keep=keep.union(outcome.errors), sick=sick)
        if not steps:
            return
        _run(steps, wanted, tool, outcome)
        sick = frozenset()
    raise NodeError("tool", "the node does not settle: something changes it at the same time")


def _run(steps: tuple[Action, ...], wanted: Wanted, tool: Runtime, outcome: Outcome) -> None:
    """Do the steps; a failure that belongs to a service ends them, and is noted so that the next plan leaves it be."""
    for step in steps:
        try:
            _do(step, tool, outcome)
        except NodeError as trouble:
            service = _owner(step, trouble)
            if not service:
                raise
            trouble.service = service
            say(**trouble.line())
            outcome.errors[service] = trouble
            if isinstance(step, AwaitReady | Run):
                slot = step.slot if isinstance(step, Run) else step.container.slot
                for undo in abandon(wanted, _observe(tool), service, slot):
                    _do(undo, tool, outcome)
            return


def _do(step: Action, tool: Runtime, outcome: Outcome) -> None:
    began = time.monotonic()
    say(kind="step", text=str(step))
    act(step, tool, lambda text: say(kind="warning", text=text))
    say(kind="done", text=str(step), seconds=round(time.monotonic() - began, 3))
    outcome.steps += not isinstance(step, Drain | AwaitReady)


def _owner(step: Action, trouble: NodeError) -> str:
    """The service that a failed step was for; none for the gateway's and the node's own steps."""
    if trouble.kind == "gateway" or isinstance(step, StartGateway):
        return ""
    holder = getattr(step, "service", None) or getattr(step, "container", None)
    return getattr(holder, "name", "") or getattr(holder, "service", "")


def _observe(tool: Runtime) -> Observed:
    tool.ensure()
    return observe(tool)
