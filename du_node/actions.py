"""The small steps a plan is made of. Each can be told to a person, done, and done again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from du_node.rollout import Rollout
from du_node.state import Container, Service
from du_node.table import Entry, Table


@dataclass(frozen=True)
class StartGateway:
    """Start the gateway, which is not running."""

    def __str__(self) -> str:
        return "start the gateway"


@dataclass(frozen=True)
class Preflight:
    """See that there is room for a second copy of the service, and that its image runs on this machine."""

    service: Service
    pull: bool = True

    def __str__(self) -> str:
        return f"{self.service.name}: see that there is room for {self.service.tag}"


@dataclass(frozen=True)
class Pull:
    """Fetch the image of a release."""

    service: Service

    def __str__(self) -> str:
        return f"{self.service.name}: pull {self.service.tag}"


@dataclass(frozen=True)
class Run:
    """Make and start a slot's container, published on 127.0.0.1:``port``."""

    service: Service
    slot: str
    port: int

    def __str__(self) -> str:
        return f"{self.service.name}: start {self.slot} with {self.service.tag} on port {self.port}"


@dataclass(frozen=True)
class Start:
    """Start a slot's container that exists and stands still; ``anew`` is what to run if it cannot.

    Where it is not ``needed``, because its successor is on the way, a failure is only a warning.
    """

    container: Container
    anew: Service | None = None
    needed: bool = True

    def __str__(self) -> str:
        return f"{self.container.service}: start {self.container.slot} again"


@dataclass(frozen=True)
class Restart:
    """Restart a slot that runs and does not answer."""

    container: Container

    def __str__(self) -> str:
        return f"{self.container.service}: restart {self.container.slot}"


@dataclass(frozen=True)
class AwaitReady:
    """Wait until the slot has answered its readiness path ``passes`` times in a row."""

    container: Container
    passes: int = 3

    def __str__(self) -> str:
        return f"{self.container.service}: wait until {self.container.slot} is ready"


@dataclass(frozen=True)
class WarmUp:
    """Ask the slot for ``path`` before anybody else does."""

    container: Container
    path: str

    def __str__(self) -> str:
        return f"{self.container.service}: warm {self.container.slot} up with {self.path}"


@dataclass(frozen=True)
class SetRoutes:
    """Give the gateway this table and prove that it works by it, for the sake of ``service`` if it is for one's."""

    table: Table
    service: str = ""

    def __str__(self) -> str:
        shown = [item for item in self.table if item.service == self.service] if self.service else self.table
        return "gateway: " + (", ".join(map(_told, shown)) or "no services")


@dataclass(frozen=True)
class Observe:
    """Watch how ``new`` does with ``share`` percent of the requests, against ``old``."""

    new: Container
    old: Container
    rollout: Rollout
    share: int

    def __str__(self) -> str:
        return (
            f"{self.new.service}: observe {self.new.slot} with {self.share} % of the requests "
            f"for {self.rollout.observe:g} s"
        )


@dataclass(frozen=True)
class Drain:
    """Wait until nothing is connected any more to a slot that left the gateway, ``seconds`` at most."""

    container: Container
    seconds: float

    def __str__(self) -> str:
        return f"{self.container.service}: let the requests of {self.container.slot} end ({self.seconds:g} s at most)"


@dataclass(frozen=True)
class Stop:
    """Stop a slot that gets no requests, with its grace period. What is still connected is cut and counted.

    Without ``cut``, a slot that something is connected to is left running.
    """

    container: Container
    cut: bool = True

    def __str__(self) -> str:
        return f"{self.container.service}: stop {self.container.slot}" + ("" if self.cut else " if nobody uses it")


@dataclass(frozen=True)
class Remove:
    """Remove a slot's container that is stopped and gets no requests."""

    container: Container

    def __str__(self) -> str:
        return f"{self.container.service}: remove {self.container.slot}"


@dataclass(frozen=True)
class RemoveImage:
    """Remove an image that no slot uses."""

    image: str

    def __str__(self) -> str:
        return f"remove image {self.image}"


Action: TypeAlias = (
    StartGateway
    | Preflight
    | Pull
    | Run
    | Start
    | Restart
    | AwaitReady
    | WarmUp
    | SetRoutes
    | Observe
    | Drain
    | Stop
    | Remove
    | RemoveImage
)


def _told(item: Entry) -> str:
    sides = [
        f"backup {item.backup.slot}" if item.backup else "",
        f"{item.share} % to {item.canary.slot}" if item.canary else "",
        f"preview {item.preview.slot}" if item.preview else "",
    ]
    more = ", ".join(filter(None, sides))
    return f"{item.service} → {item.primary.slot}" + (f" ({more})" if more else "")


_SHORT = {
    StartGateway: "gateway",
    Preflight: "preflight",
    Pull: "pull",
    Run: "run",
    Start: "run",
    Restart: "run",
    AwaitReady: "ready",
    WarmUp: "warm-up",
    Drain: "drain",
    Stop: "stop",
    Remove: "remove",
    RemoveImage: "remove",
}


def short(action: Action) -> str:
    """A word or two for the step, the same for every service: "pull", "canary 5 %", "switch"."""
    if isinstance(action, Observe):
        return f"observe {action.share} %"
    if isinstance(action, SetRoutes):
        return next((_stage(item) for item in action.table if item.service == action.service), "routes")
    return _SHORT[type(action)]


def _stage(item: Entry) -> str:
    if item.canary:
        return f"canary {item.share} %"
    return "preview" if item.preview else "switch" if item.backup else "alone"
