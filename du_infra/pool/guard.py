"""The plan guard: nothing is destroyed that the request did not name. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from du_infra.errors import Refused

if TYPE_CHECKING:
    from du_infra.engines.terraform.plan import Change


def guard(changes: Iterable[Change], may_destroy: frozenset[str]) -> None:
    """Let a plan through, or refuse it whole.

    ``may_destroy`` holds the names of the nodes that the request asks to remove or to replace.

    Raises Refused, which names every other resource that the plan would delete or replace, and why.
    """
    lost = [change for change in changes if change.destroys and change.name not in may_destroy]
    if lost:
        raise Refused(
            f"the plan would destroy {_what(lost)}, which nobody asked for",
            where=", ".join(sorted({change.name for change in lost})),
            todo="nothing was changed; see what differs with `du-infra region plan`",
            detail="\n".join(_line(change) for change in lost),
        )


def _what(lost: list[Change]) -> str:
    return "a resource" if len(lost) == 1 else f"{len(lost)} resources"


def _line(change: Change) -> str:
    line = f"{change.kind} {change.address}"
    return f"{line}: {change.why}" if change.why else line
