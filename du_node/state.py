"""What is wanted of a node and what was seen on it: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from du_node.rollout import Rollout

if TYPE_CHECKING:
    from du_node.table import Peer

SLOTS = ("blue", "green")
FIRST_PORT, LAST_PORT = 20000, 29999


def other(slot: str) -> str:
    """The slot that ``slot`` is not."""
    return "green" if slot == "blue" else "blue"


@dataclass(frozen=True)
class Route:
    """Where a release is reached: host name ("" for any), path prefix, and the path that says it is ready."""

    host: str = ""
    path: str = "/"
    ready: str = "/readyz"

    @property
    def key(self) -> tuple[str, str]:
        """Two services cannot have the same key."""
        return self.host, self.path


@dataclass(frozen=True)
class Service:
    """A service as it is wanted. ``image`` ends in its digest; ``memory_mb`` and ``cpus`` 0 mean no limit; times in
    seconds. ``volumes`` are (name, folder in the container), ``secrets`` (name, fingerprint of the value).

    ``config`` is a hash of everything the container is made of; ``size_mb`` is the image's size in the
    registry, 0 when the controller did not say, and ``architectures`` those that it is made for, none in that case.
    ``rollout`` is how it goes live, ``copies`` the fewest and the most that a cluster runs of it: not what it is.
    """

    name: str
    release: str
    tag: str
    image: str
    digest: str
    port: int
    route: Route = Route()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    command: tuple[str, ...] = ()
    memory_mb: int = 0
    start_timeout: int = 60
    stop_grace: int = 10
    size_mb: int = 0
    architectures: tuple[str, ...] = ()
    cpus: float = 0.0
    volumes: tuple[tuple[str, str], ...] = ()
    secrets: tuple[tuple[str, str], ...] = ()
    copies: tuple[int, int] = (1, 1)
    rollout: Rollout = field(default_factory=Rollout)
    config: str = ""


@dataclass(frozen=True)
class Wanted:
    """Everything that is wanted of this node; ``config`` is the controller's hash of it."""

    fleet: str
    region: str
    node: str
    config: str
    services: tuple[Service, ...] = ()


@dataclass(frozen=True)
class Container:
    """A slot's container, as its labels and the runtime tell. ``port`` is the one on loopback; ``unready_port``, where
    there is one, leads to the same whether it is said to be ready or not.

    ``ready`` is the answer of one readiness probe, made while observing. ``connections`` are the gateway's to a slot
    that it does not route to (any more).
    """

    service: str
    slot: str
    running: bool
    port: int
    release: str
    tag: str
    image: str
    digest: str
    config: str
    route: Route = Route()
    start_timeout: int = 60
    stop_grace: int = 10
    ready: bool = False
    exit_code: int = 0
    connections: int = 0
    unready_port: int = 0

    @property
    def ports(self) -> tuple[int, ...]:
        """Where the gateway reaches it."""
        return (self.port, self.unready_port) if self.unready_port else (self.port,)

    def serves(self, service: Service) -> bool:
        """Whether this is the wanted release with the wanted settings."""
        return (self.release, self.config) == (service.release, service.config)


@dataclass(frozen=True)
class Copies:
    """How a cluster's copies of a release are: so many are ``asked`` for, ``count`` are to run, which is at least one
    for each of the ``slots`` that use them, and so many are ``ready``. ``here`` run on this node, and use
    ``cpu_percent`` of one CPU each; None: not known."""

    asked: int
    count: int
    slots: int
    ready: int
    here: int = 0
    cpu_percent: float | None = None


@dataclass(frozen=True)
class Pair:
    """What the gateway does for a service: ``primary`` takes the requests, ``backup`` takes over if it fails.

    ``canary`` takes ``share`` percent of them, and takes over from the primary as the primary does from it.
    ``preview`` gets what comes to the preview port, and nothing else.
    """

    primary: str
    backup: str = ""
    canary: str = ""
    share: int = 0
    preview: str = ""

    @property
    def slots(self) -> tuple[str, ...]:
        """Every slot that may get a request."""
        return tuple(filter(None, (self.primary, self.backup, self.canary, self.preview)))


@dataclass(frozen=True)
class Gateway:
    """The live gateway. ``pairs`` by service; ``live`` and ``disk`` are hashes of the running and the stored config."""

    running: bool = False
    pairs: Mapping[str, Pair] = field(default_factory=dict)
    live: str = ""
    disk: str = ""


@dataclass(frozen=True)
class Observed:
    """What was seen on the node. ``images`` are references; ``ports`` are taken by others.

    ``peers`` are, by service, the other nodes that take requests for it now. ``shared``: the region has other nodes,
    usable ones or not. ``unready_step``: a slot's ``unready_port`` is so far above its port; 0: slots have none.
    """

    containers: tuple[Container, ...] = ()
    gateway: Gateway = Gateway()
    images: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    peers: Mapping[str, tuple[Peer, ...]] = field(default_factory=dict)
    shared: bool = False
    unready_step: int = 0
