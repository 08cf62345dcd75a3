"""What the loop decides, and tells: plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "start", "replace", "resume", "scale", "backup", "done", "left", "well", "busy", "failed", "share"
]
About: TypeAlias = Literal["healing", "autoscale", "upkeep"]


@dataclass(frozen=True)
class Decision:
    """What was decided, or why nothing was; told when it changes, and not again every pass.

    ``kind``: "start", "replace", "resume", "scale", "backup" are about to be done; "done" has been; "left" is amiss and
    left alone; "well" comes after trouble, and answers a dry run; "busy": another du-infra is at work; "failed": what
    was tried did not work; "share": which regions this controller minds now. ``node`` is "" where the region is meant.
    ``about`` says which part of the loop's work it belongs to: "upkeep" is backups, the fleet file itself, and which
    regions are minded.
    """

    region: str
    kind: Kind
    text: str
    node: str = ""
    about: About = "healing"


Teller: TypeAlias = Callable[[Decision], None]
