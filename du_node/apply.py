"""Takes what is wanted of the node, and brings it there; goes on with, or repairs, what an earlier run left."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from du_node import files, places, runtime
from du_node.act import act
from du_node.actions import Action, AwaitReady, Drain, Observe, Preflight, short
from du_node.converge import converge, owner
from du_node.errors import NodeError
from du_node.observe import observe
from du_node.outcome import Outcome
from du_node.runtime.driver import Runtime
from du_node.say import say
from du_node.state import Observed, Wanted
from du_node.wanted import parse

# They change nothing: a run of nothing else has found nothing to do.
_LOOKS = (AwaitReady, Drain, Observe, Preflight)


def apply(text: str, lock: int) -> Outcome:
    """Take ``text`` (JSON) as what is wanted from now on, and do it. Raises NodeError when the node itself fails.

    What is already wanted, failed, and was being undone when the run was killed, is undone and not tried again.
    """
    wanted = parse(text)
    if _was_being_undone(text):
        outcome = _resume(wanted, lock)
        outcome.recall()
        for trouble in outcome.errors.values():
            say(**trouble.line())
        return outcome
    files.write(places.WANTED, text)
    outcome = Outcome()
    tool = runtime.chosen(lock)
    with _secrets_forgotten(wanted, tool):
        _converge(wanted, tool, outcome)
        outcome.end()
    return outcome


def heal(sick: frozenset[str], lock: int) -> Outcome:
    """Go on with an apply that was cut off; or, if the last one ended, repair what is not as it left it."""
    text = files.read(places.WANTED)
    return _resume(parse(text), lock, sick) if text else Outcome()


def _was_being_undone(text: str) -> bool:
    result = _result()
    return bool(result.get("failed")) and not result.get("ended", True) and text == files.read(places.WANTED)


@contextmanager
def _secrets_forgotten(wanted: Wanted, tool: Runtime) -> Iterator[None]:
    """In the end, values that nothing uses any more are removed; those that were sent meanwhile stay."""
    if not os.path.exists(places.SECRETS):  # noqa: PTH110
        yield
        return
    from du_node import secrets

    before = secrets.there()
    yield
    ours = {(s.name, name, fingerprint) for s in wanted.services for name, fingerprint in s.secrets}
    secrets.clean(ours | tool.secrets_in_use(), before)


def _resume(wanted: Wanted, lock: int, sick: frozenset[str] = frozenset()) -> Outcome:
    outcome = Outcome.resumed(_result())
    _converge(wanted, runtime.chosen(lock), outcome, sick)
    outcome.end()
    return outcome


def _result() -> dict[str, Any]:
    """What was written down for the wanted state that is there now; empty when that is for another."""
    found = files.read_json(places.RESULT)
    return found if found.get("wanted") == files.stamp(places.WANTED) else {}


def _converge(wanted: Wanted, tool: Runtime, outcome: Outcome, sick: frozenset[str] = frozenset()) -> None:
    converge(wanted, outcome, lambda: _observe(tool), lambda step: _do(step, tool, outcome), say, sick)


def _do(step: Action, tool: Runtime, outcome: Outcome) -> None:
    began, found = time.monotonic(), {}
    say(kind="step", text=str(step))
    try:
        found = act(step, tool, say)
    except NodeError as trouble:
        found = getattr(trouble, "report", {})
        raise
    finally:
        seconds = round(time.monotonic() - began, 3)
        if service := owner(step):
            outcome.note(service, short(step), seconds, found)
        if isinstance(step, Observe):
            say(kind="report", service=service, **outcome.reports[service])
    say(kind="done", text=str(step), seconds=seconds)
    outcome.steps += not isinstance(step, _LOOKS)


def _observe(tool: Runtime) -> Observed:
    tool.ensure()
    return observe(tool)
