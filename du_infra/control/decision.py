"""What the loop decides, and tells: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from du_infra.errors import DuError
from du_infra.traffic.words import Kind as TrafficKind

Kind: TypeAlias = (
    Literal[
        "start",
        "replace",
        "resume",
        "scale",
        "backup",
        "done",
        "left",
        "waits",
        "well",
        "busy",
        "failed",
        "share",
        "pull",
    ]
    | TrafficKind
)
About: TypeAlias = Literal["healing", "autoscale", "upkeep", "traffic"]


@dataclass(frozen=True)
class Decision:
    """What was decided, or why nothing was; told when it changes, and not again every pass.

    ``kind``: "start", "replace", "resume", "scale", "backup" are about to be done; "done" has been; "left" is amiss and
    left alone; "well" comes after trouble, and answers a dry run; "busy": another du-infra is at work; "failed": what
    was tried did not work; "share": which regions this controller minds now; "pull": the fleet's clone goes to
    another commit. ``node`` is "" where the region is meant. ``about`` says which part of the loop's work it belongs
    to: "upkeep" is backups, the fleet file itself, and which regions are minded.

    Of the world's entrance ("traffic"): what was done has the kinds of ``traffic.words``, and what is to be done and
    may not yet is "waits"; ``region`` is "" where the whole entrance is meant.
    """

    region: str
    kind: Kind
    text: str
    node: str = ""
    about: About = "healing"


Teller: TypeAlias = Callable[[Decision], None]


def in_words(error: DuError) -> str:
    """All that an error says, in the one text of a decision."""
    return "; ".join(part for part in (str(error), error.detail[-400:], error.todo) if part)
