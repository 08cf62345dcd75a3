"""What is known of releases: one going live in a region, and how that went. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]
Kind: TypeAlias = Literal["start", "rollback", "up"]
State: TypeAlias = Literal["running", "held", "done", "rolled-back", "failed", "aborted"]
Direction: TypeAlias = Literal["forward", "back"]

OPEN: tuple[State, ...] = ("running", "held")


@dataclass(frozen=True)
class Rollout:
    """A release of one service going live in one region: what was asked, by whom, and how far it came.

    ``release`` goes live where ``previous`` ("" for none) served. ``direction`` is "back" once it failed or was
    aborted, ``request`` says who asked for that ("" for nobody). ``options`` are the settings it goes by
    (release.options). ``nodes`` maps each node, in the order they are worked on, to what happened there:
    "asked" (whether it was asked for the release), "serves" (the release that answers there), "report" (the
    observation's numbers). ``started`` and ``ended`` are seconds since the epoch.
    """

    id: int
    region: str
    service: str
    kind: Kind
    release: str
    previous: str
    actor: str
    options: Mapping[str, Any]
    started: float
    state: State = "running"
    direction: Direction = "forward"
    request: str = ""
    why: str = ""
    detail: str = ""
    nodes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ended: float | None = None

    @property
    def open(self) -> bool:
        """Whether it has not come to an end: at work, cut off, or held."""
        return self.state in OPEN

    def cut_off(self, at_work: bool) -> bool:
        """Whether it was left in the middle; ``at_work`` says that somebody holds its lease."""
        return self.state == "running" and not at_work

    @property
    def live(self) -> str:
        """The release that serves, or is to serve, because of this one; "" for none."""
        return self.release if self.direction == "forward" else self.previous

    def to_json(self) -> Json:
        """The stable form for programs (docs/cli.md)."""
        return {
            "id": self.id,
            "region": self.region,
            "service": self.service,
            "kind": self.kind,
            "release": self.release,
            "previous": self.previous,
            "actor": self.actor,
            "state": self.state,
            "why": self.why,
            "detail": self.detail,
            "started": moment(self.started),
            "ended": None if self.ended is None else moment(self.ended),
            "nodes": [_node(name, told) for name, told in self.nodes.items()],
        }


@dataclass(frozen=True)
class Holder:
    """Who is at work on something: ``who`` is user@host and process, ``since`` seconds since the epoch."""

    who: str
    what: str
    since: float


def moment(seconds: float) -> str:
    """A point in time as ISO 8601 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _node(name: str, told: Mapping[str, Any]) -> Json:
    return {"node": name, "release": told.get("serves", ""), "report": told.get("report") or {}}
