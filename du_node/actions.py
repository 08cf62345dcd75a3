"""The small steps a plan is made of. Each can be told to a person, done, and done again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from du_node.state import Container, Service
from du_node.table import Table


@dataclass(frozen=True)
class StartGateway:
    """Start nginx, which is not running."""

    def __str__(self) -> str:
        return "start the gateway"


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
    """Wait until the slot has answered its readiness path several times in a row."""

    container: Container

    def __str__(self) -> str:
        return f"{self.container.service}: wait until {self.container.slot} is ready"


@dataclass(frozen=True)
class SetRoutes:
    """Give the gateway this table and prove that it works by it."""

    table: Table

    def __str__(self) -> str:
        parts = [
            f"{e.service} → {e.primary.slot}" + (f" (backup {e.backup.slot})" if e.backup else "") for e in self.table
        ]
        return "gateway: " + (", ".join(parts) or "no services")


@dataclass(frozen=True)
class Drain:
    """Wait a while for workers of earlier gateway configurations to finish their requests."""

    def __str__(self) -> str:
        return "gateway: let old workers finish"


@dataclass(frozen=True)
class Stop:
    """Stop a slot that gets no requests, with its grace period."""

    container: Container

    def __str__(self) -> str:
        return f"{self.container.service}: stop {self.container.slot}"


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
    StartGateway | Pull | Run | Start | Restart | AwaitReady | SetRoutes | Drain | Stop | Remove | RemoveImage
)
