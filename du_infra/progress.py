"""What long work tells its observer. The core emits events and never prints; the command line draws them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["stage", "done", "failed", "step", "changed", "warning", "observe"]


@dataclass(frozen=True)
class Event:
    """One thing that happened.

    ``stage`` is a phase of the work ("machines", "configure", "services"); a stage opens with kind ``stage``
    and closes with ``done`` or ``failed``, which carry ``seconds``. ``step``, ``changed`` and ``warning``
    happen inside a stage, on ``node`` if they concern one; ``observe`` tells every few seconds how a new copy does.
    """

    kind: Kind
    stage: str
    text: str = ""
    node: str = ""
    seconds: float = 0.0


Reporter: TypeAlias = Callable[[Event], None]

_MARKS = {"done": "✓", "failed": "✗", "warning": "!", "changed": "~", "step": "·", "observe": "◦"}


def silent(event: Event) -> None:
    """The reporter for callers who do not look."""


@contextmanager
def stage(report: Reporter, name: str, text: str = "") -> Iterator[None]:
    """Open a stage, time it, and close it as done or failed."""
    start = time.monotonic()
    report(Event("stage", name, text))
    try:
        yield
    except BaseException:
        report(Event("failed", name, seconds=time.monotonic() - start))
        raise
    report(Event("done", name, seconds=time.monotonic() - start))


def line(event: Event) -> str:
    """An event in one line, for a person."""
    if event.kind == "stage":
        return f"{event.stage}: {event.text}" if event.text else event.stage
    if event.kind in ("done", "failed"):
        return f"{event.stage}: {event.kind} in {event.seconds:.1f} s"
    node = f"{event.node}: " if event.node else ""
    return f"  {_MARKS[event.kind]} {node}{event.text}"
